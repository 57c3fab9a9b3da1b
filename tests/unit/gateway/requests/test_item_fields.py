import json

import pytest

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.kinds import builtin_kinds
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.submission import Submissions
from services.shared.prices import read_prices

SUBMISSIONS = Submissions(builtin_kinds(), JobPrices(read_prices(), "gpt-4o-mini"))
GOOD = {"title": "Cook", "company": "Inn"}


def request(items, template="{title}", **fields):
    params = json.dumps({"labels": ["a", "b"], "template": template})
    texts = [json.dumps(item) for item in items]
    return gateway_pb2.SubmitJobRequest(
        **{"kind": "llm.classify", "params": params, "items": texts, **fields}
    )


async def refusal(*arguments, **fields):
    with pytest.raises(InvalidArgumentError) as caught:
        await SUBMISSIONS.new_job(request(*arguments, **fields), "default")
    return caught.value


async def warnings_of(*arguments, **fields):
    warnings = []
    await SUBMISSIONS.new_job(request(*arguments, **fields), "default", warnings)
    return warnings


async def test_a_field_that_no_item_has_is_refused_with_the_nearest_name():
    error = await refusal([GOOD] * 10, "{titel} at {company}")
    assert error.reason == "FIELD_MISSING"
    assert [tuple(violation) for violation in error.violations] == [
        ("params.template", "10 of 10 items lack titel: did you mean title?")
    ]


async def test_a_name_that_differs_in_case_is_suggested():
    assert "did you mean title?" in (await refusal([GOOD], "{TITLE}")).message


async def test_without_a_near_name_those_of_the_items_are_listed():
    error = await refusal([GOOD] * 2, "{salary}")
    assert error.message == "params.template: 2 of 2 items lack salary: they have title, company"


async def test_items_that_are_not_objects_lack_every_field():
    error = await refusal(["a", 1, None, ["title"]])
    assert (
        error.message == "params.template: 4 of 4 items lack title: an item must be an object with this field"
    )


async def test_every_wrong_field_of_every_prompt_is_named():
    params = json.dumps({"prompts": {"one": "{titel} {company}", "two": "{compnay}"}})
    error = await refusal([GOOD], kind="llm.complete", params=params)
    assert {violation.field for violation in error.violations} == {"params.prompts.one", "params.prompts.two"}


async def test_validate_only_refuses_the_same():
    assert (await refusal([GOOD], "{titel}", validate_only=True)).reason == "FIELD_MISSING"


async def test_items_that_lack_a_field_among_others_are_a_warning_with_their_count():
    assert await warnings_of([GOOD] * 7 + [{"name": 1}] * 3) == ["3 of 10 items lack title: they will fail"]


async def test_null_is_a_warning_that_says_what_becomes_of_it():
    items = [GOOD] * 8 + [{"title": "Nurse", "company": None}] * 2
    assert await warnings_of(items, "{title} at {company}") == [
        "2 of 10 items have null in company, which is filled in as empty text"
    ]


async def test_items_with_nothing_but_null_are_a_warning_among_others_and_refused_alone():
    empty = {"title": None}
    assert await warnings_of([GOOD] * 9 + [empty]) == ["1 of 10 items have null in title: they will fail"]
    error = await refusal([empty] * 3)
    assert error.message == "params.template: 3 of 3 items have null in title"


async def test_good_items_have_no_warnings():
    assert await warnings_of([{**GOOD, "other": None}] * 3) == []


async def test_a_sample_of_an_upload_is_refused_like_items():
    sample = [json.dumps(GOOD)] * 10
    error = await refusal([], "{titel}", upload=True, sample_items=sample)
    assert error.message == "params.template: 10 of 10 sampled items lack titel: did you mean title?"


async def test_a_small_sample_of_an_upload_is_only_a_warning():
    sample = [json.dumps(GOOD)] * 9
    warnings = await warnings_of([], "{titel}", upload=True, sample_items=sample)
    assert warnings == ["9 of 9 sampled items lack titel: did you mean title?"]


async def test_a_sample_does_not_change_the_identity_of_a_job():
    job = await SUBMISSIONS.new_job(request([], upload=True), "default")
    sampled = await SUBMISSIONS.new_job(request([], upload=True, sample_items=[json.dumps(GOOD)]), "default")
    assert job.content_hash == sampled.content_hash
    assert not sampled.items


async def test_an_estimate_counts_failing_items_apart_from_free_ones():
    job = await SUBMISSIONS.new_job(request([GOOD] * 7 + [{"name": 1}] * 3), "default")
    estimate = await SUBMISSIONS.estimate(job)
    assert (estimate.call_count, estimate.failing_item_count) == (7, 3)


async def test_a_template_of_many_long_names_has_a_bounded_answer():
    template = "".join(f"{{{n}{'x' * 200}}}" for n in range(400))
    error = await refusal([GOOD] * 100, template)
    assert len(error.violations) <= 21
    assert sum(len(violation.description) for violation in error.violations) < 8_000
