"""Names and labels in requests."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.kinds import builtin_kinds
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.job_search import check_timestamps, job_search
from services.gateway.requests.jobs_tokens import JobsPosition, jobs_position, jobs_token
from services.gateway.requests.opaque_text import seal
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.submission import Submissions
from services.gateway.requests.violations import Violations
from services.shared.prices import read_prices
from services.stubs.results.v1 import results_pb2

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
SUBMISSIONS = Submissions(builtin_kinds(), JobPrices(read_prices(), "gpt-4o-mini"))


async def new_job(**fields):
    request = gateway_pb2.SubmitJobRequest(**{"kind": "noop", "items": ["1"], **fields})
    return await SUBMISSIONS.new_job(request, "default")


async def fields_refused(**fields):
    with pytest.raises(InvalidArgumentError) as caught:
        await new_job(**fields)
    return {violation.field: violation.description for violation in caught.value.violations}


async def test_a_name_and_labels_reach_the_store():
    job = await new_job(name="n", labels={"a": "b"})
    assert (job.name, dict(job.labels)) == ("n", {"a": "b"})


@pytest.mark.parametrize("key", ["-a", "a-", "a b", "\u00fc", "k" * 64, ".", "a\n"])
async def test_a_wrong_key_is_named(key):
    found = await fields_refused(labels={key: "x", "fine": "y"})
    assert len(found) == 1
    assert all(name.startswith("labels[") and "the key must" in text for name, text in found.items())


@pytest.mark.parametrize("key", ["a", "team", "app.kubernetes.io/name", "A_b-1", "7", "k" * 63])
async def test_keys_like_those_of_kubernetes_are_accepted(key):
    assert dict((await new_job(labels={key: ""})).labels) == {key: ""}


async def test_every_wrong_field_is_named():
    found = await fields_refused(
        name="n" * 129, labels={"long": "v" * 257, "nul": "\0", "\ud7ff": "x"}, request_id="r" * 129
    )
    assert set(found) == {"name", "request_id", 'labels["long"]', 'labels["nul"]', 'labels["\ud7ff"]'}
    assert set(await fields_refused(name="\0", labels={"a": "\0"})) == {"name", 'labels["a"]'}


async def test_too_many_labels_are_refused_as_a_whole():
    found = await fields_refused(labels={f"k{number}": "-" for number in range(65)})
    assert found == {"labels": "must have at most 64 elements"}
    await new_job(labels={f"k{number}": "\U0001f600" * 256 for number in range(64)})


async def test_labels_next_to_a_long_list_are_checked():
    found = await fields_refused(items=["1"] * 2_000, labels={"-": "x", "fine": "y"})
    assert list(found) == ['labels["-"]']
    job = await new_job(items=["1"] * 2_000, labels={"a": "x", "fine": "y"})
    assert dict(job.labels) == {"a": "x", "fine": "y"}


async def test_the_content_hash_has_a_name_and_labels_only_if_set_and_in_any_order():
    plain = (await new_job()).content_hash
    hashes = [
        (await new_job(**fields)).content_hash
        for fields in (
            {"name": "a"},
            {"labels": {"a": "b"}},
            {"labels": {"a": "c"}},
            {"name": "a", "labels": {"a": "b"}},
            {"labels": {"a": "1", "b": "2"}},
        )
    ]
    assert len({plain, *hashes}) == 6
    assert (await new_job(labels={"b": "2", "a": "1"})).content_hash == hashes[-1]
    assert (await new_job(name="", labels={})).content_hash == plain


def test_a_page_token_is_bound_to_the_filters_and_plain_ones_stay_valid():
    before = PagedQuery("ListJobs", "default", [], "noop").page_token(JOB_ID)
    plain = gateway_pb2.ListJobsRequest(kind="noop", page_token=before)
    assert job_search(plain, "default")[1].before_job_id == JOB_ID
    one = gateway_pb2.ListJobsRequest(labels={"a": "1", "b": "2"}, created_after=Timestamp(seconds=7))
    token = job_search(one, "default")[0].page_token(JOB_ID)
    same = gateway_pb2.ListJobsRequest(labels={"b": "2", "a": "1"}, created_after=Timestamp(seconds=7))
    same.page_token = token
    assert job_search(same, "default")[1].before_job_id == JOB_ID
    for other in ({"labels": {"a": "1"}}, {"name": "n"}, {"finished_after": Timestamp(seconds=7)}):
        with pytest.raises(InvalidArgumentError) as caught:
            job_search(gateway_pb2.ListJobsRequest(page_token=token, **other), "default")
        assert caught.value.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("seconds", [-(10**14), 10**14])
def test_a_time_out_of_range_is_named(seconds):
    violations = Violations()
    check_timestamps(gateway_pb2.ListJobsRequest(created_before=Timestamp(seconds=seconds)), violations)
    with pytest.raises(InvalidArgumentError, match="created_before"):
        violations.raise_if_any()


async def test_filters_are_checked_like_labels():
    for request in (gateway_pb2.ListJobsRequest, gateway_pb2.WatchJobsRequest):
        violations = await violations_of(request(labels={"-": "x"}))
        assert violations.names('labels["-"]')


@pytest.mark.parametrize("listed_before", [None, "", JOB_ID])
@pytest.mark.parametrize("job_id", ["", JOB_ID])
def test_a_token_of_many_jobs_returns_its_position(listed_before, job_id):
    changes = results_pb2.ChangePosition(store_id="s", change_xid=7, job_id=job_id)
    position = JobsPosition(changes, listed_before)
    assert jobs_position(jobs_token(position)) == position
    assert jobs_position("") is None


@pytest.mark.parametrize(
    "token",
    [
        "x",
        seal([]),
        seal(["watch", JOB_ID, 1]),
        seal(["jobs", "s", -1, "", None]),
        seal(["jobs", "s", 1, "x", None]),
        seal(["jobs", "s" * 65, 1, "", None]),
        seal(["jobs", "s", 1, "", 3]),
        seal(["jobs", "s", 1, ""]),
    ],
)
def test_another_token_is_no_position(token):
    with pytest.raises(InvalidArgumentError) as caught:
        jobs_position(token)
    assert caught.value.reason == "INVALID_RESUME_TOKEN"
