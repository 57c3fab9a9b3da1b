import asyncio
import hashlib
import json
import math

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import builtin_kinds
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.request_rules import MAX_ITEM_COUNT
from services.gateway.requests.submission import Submissions
from services.shared.prices import read_prices

MB = 1024 * 1024
SUBMISSIONS = Submissions(builtin_kinds(), JobPrices(read_prices(), "gpt-4o-mini"))
DURATIONS = [
    field.name for field in jobs_pb2.JobOptions.DESCRIPTOR.fields if field.message_type is Duration.DESCRIPTOR
]


def request(**fields) -> gateway_pb2.SubmitJobRequest:
    return gateway_pb2.SubmitJobRequest(**{"kind": "noop", "items": ["1", "2"], **fields})


async def refusal(**fields) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        await SUBMISSIONS.new_job(request(**fields), "default")
    return caught.value


async def accepted(**fields):
    return await SUBMISSIONS.new_job(request(**fields), "default")


def fields_of(error: InvalidArgumentError) -> list[str]:
    return [violation.field for violation in error.violations]


async def test_a_minimal_submission_gets_the_documented_defaults():
    job = await accepted()
    assert job.params == "{}"
    assert job.options == jobs_pb2.JobOptions(job_class=jobs_pb2.JOB_CLASS_DEFAULT, max_failed_ratio=0.5)
    assert len(job.content_hash) == 32
    assert job.request_id


async def test_an_unknown_kind_is_refused_and_the_known_ones_are_listed():
    error = await refusal(kind="llm.clasify")
    assert (error.reason, error.metadata) == ("UNKNOWN_KIND", {"kind": "llm.clasify"})
    assert fields_of(error) == ["kind"]
    assert "llm.classify" in error.message
    assert "noop" in error.message


async def test_every_wrong_field_is_named_at_once():
    error = await refusal(
        params="{",
        items=["1", "nope"],
        request_id="x" * 129,
        options={"job_class": 9, "max_failed_ratio": math.nan, "max_parallelism": 0},
    )
    assert error.reason == "INVALID_FIELD"
    assert fields_of(error) == [
        "request_id", "options.job_class", "options.max_failed_ratio", "options.max_parallelism", "params",
        "items[1]",
    ]  # fmt: skip


async def test_params_that_miss_a_field_are_named():
    error = await refusal(kind="llm.classify", params=json.dumps({"labels": ["a", "b"]}))
    assert fields_of(error) == ["params.template"]


async def test_empty_labels_are_named():
    params = json.dumps({"labels": [], "template": "Classify: {title}"})
    assert fields_of(await refusal(kind="llm.classify", params=params)) == ["params.labels"]


async def test_params_over_1_mb_are_refused():
    assert fields_of(await refusal(params=json.dumps({"x": "y" * MB}))) == ["params"]


async def test_zero_items_are_refused():
    error = await refusal(items=[])
    assert fields_of(error) == ["items"]
    assert "at least one" in error.message


async def test_more_than_100_000_items_are_refused_as_a_whole():
    assert fields_of(await refusal(items=["1"] * (MAX_ITEM_COUNT + 1))) == ["items"]


@pytest.mark.parametrize(
    "broken",
    ["", "{", "nope", '{"a": 1} x', '"raw \0 NUL"', '"\\ud800"', "NaN", "[" * 2000],
    ids=["empty", "cut", "word", "two values", "raw NUL", "lone surrogate", "NaN", "too deep"],
)
async def test_an_item_that_is_not_json_is_named(broken):
    error = await refusal(items=["1", "2", "3", broken])
    assert error.reason == "INVALID_FIELD"
    assert fields_of(error) == ["items[3]"]
    assert "is not JSON" in error.message


@pytest.mark.parametrize("text", ['"\\u0000"', '"🙂"', '{ "a" :1.50 , "é":"\\u00e9" }', "1e300", "null"])
async def test_an_item_is_stored_character_by_character(text):
    assert list((await accepted(items=[text])).items) == [text]


async def test_an_item_over_1_mb_is_named_with_its_own_reason():
    error = await refusal(items=["1", json.dumps("x" * 2 * MB)])
    assert error.reason == "ITEM_TOO_LARGE"
    assert fields_of(error) == ["items[1]"]


async def test_an_item_of_1_mb_is_accepted():
    text = '"' + "x" * (MB - 2) + '"'
    assert list((await accepted(items=[text])).items) == [text]


async def test_the_size_of_an_item_counts_bytes_not_characters():
    error = await refusal(items=['"' + "é" * (MB // 2) + '"'])
    assert error.reason == "ITEM_TOO_LARGE"


async def test_no_message_repeats_an_item():
    error = await refusal(items=['{"password": hunter2}'])
    assert "hunter2" not in str(error) + str(error.violations)


async def test_at_most_20_violations_are_listed_and_the_rest_counted():
    error = await refusal(items=["nope"] * 1000)
    assert fields_of(error) == [f"items[{index}]" for index in range(20)] + [""]
    assert error.violations[-1].description == "and 980 more"
    assert "and 999 more" in error.message


async def test_violations_with_long_names_stay_small_enough_for_trailers():
    params = json.dumps(
        {"labels": ["a"], "template": "{t}", **{f"{i:03}" + "x" * 3000: 1 for i in range(30)}}
    )
    error = await refusal(kind="llm.classify", params=params)
    assert sum(len(v.field) + len(v.description) for v in error.violations) < 4_000
    assert len(error.message) < 1_000


@pytest.mark.parametrize("request_id", ["x" * 129, "a\0b"], ids=["129 characters", "NUL"])
async def test_a_request_id_that_cannot_be_stored_is_refused(request_id):
    assert fields_of(await refusal(request_id=request_id)) == ["request_id"]


async def test_a_request_id_of_128_characters_is_stored():
    assert (await accepted(request_id="é" * 128)).request_id == "é" * 128


@pytest.mark.parametrize("ratio", [math.nan, -0.01, 1.01, math.inf])
async def test_a_max_failed_ratio_outside_0_to_1_is_refused(ratio):
    assert fields_of(await refusal(options={"max_failed_ratio": ratio})) == ["options.max_failed_ratio"]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
async def test_the_ends_of_max_failed_ratio_are_accepted(ratio):
    assert (await accepted(options={"max_failed_ratio": ratio})).options.max_failed_ratio == ratio


async def test_the_same_content_has_the_same_hash_whatever_its_request_id():
    first, second = await accepted(request_id="a"), await accepted(request_id="b")
    assert first.content_hash == second.content_hash
    assert first.job_id != second.job_id


@pytest.mark.parametrize(
    "change",
    [
        {"params": '{"sleep_ms": 1}'},
        {"items": ["12"]},
        {"items": ["2", "1"]},
        {"items": ["1", "2", "3"]},
        {"options": {"job_class": jobs_pb2.JOB_CLASS_BULK}},
        {"options": {"max_failed_ratio": 0.25}},
        {"options": {"max_parallelism": 1}},
    ],
    ids=str,
)
async def test_other_content_has_another_hash(change):
    assert (await accepted()).content_hash != (await accepted(**change)).content_hash


async def test_another_kind_and_params_have_another_hash():
    items = ['{"t": "x"}']
    params = '{"labels": ["a", "b"], "template": "{t}"}'
    other = await accepted(kind="llm.classify", params=params, items=items)
    assert (await accepted(items=items)).content_hash != other.content_hash


async def test_the_hash_of_stored_jobs_does_not_change_with_the_code():
    digest = hashlib.sha256()
    items = hashlib.sha256(b"".join(len(item).to_bytes(8, "big") + item for item in (b"1", b"2"))).digest()
    options = bytes.fromhex("0802 11000000000000e03f")  # job_class DEFAULT, max_failed_ratio 0.5
    for field in (b"noop", b"{}", options, b"", items):
        digest.update(len(field).to_bytes(8, "big") + field)
    assert (await accepted()).content_hash == digest.digest()


async def test_an_upload_is_opened_without_items_and_is_other_content():
    job = await accepted(items=[], upload=True)
    assert (job.upload_open, list(job.items)) == (True, [])
    assert job.content_hash == (await accepted(items=[], upload=True)).content_hash
    assert job.content_hash != (await accepted()).content_hash


async def test_items_and_an_upload_together_are_refused():
    assert fields_of(await refusal(upload=True)) == ["items"]


async def test_an_unknown_kind_determines_the_reason_whatever_else_is_wrong():
    error = await refusal(kind="llm.clasify", request_id="x" * 129)
    assert error.reason == "UNKNOWN_KIND"
    assert "noop" in error.message
    assert fields_of(error) == ["request_id", "kind"]


async def test_a_missing_kind_is_named_once():
    error = await refusal(kind="")
    assert (error.reason, fields_of(error)) == ("INVALID_FIELD", ["kind"])


async def test_an_explicit_default_is_the_same_content():
    spelt_out = await accepted(
        params="{}", options={"job_class": jobs_pb2.JOB_CLASS_DEFAULT, "max_failed_ratio": 0.5}
    )
    assert spelt_out.content_hash == (await accepted()).content_hash


async def test_many_items_are_checked_without_blocking_the_loop():
    text = json.dumps({"title": "Engineer", "company": "x" * 400})
    checking = asyncio.create_task(accepted(items=[text] * MAX_ITEM_COUNT))
    turns = 0
    while not checking.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 3


async def test_timeouts_are_passed_on_and_are_part_of_the_content():
    timeouts = {
        "job_timeout": Duration(seconds=90),
        "item_timeout": Duration(nanos=500_000_000),
        "call_timeout": Duration(seconds=3),
    }
    job = await accepted(options=timeouts)
    assert {name: getattr(job.options, name) for name in timeouts} == timeouts
    hashes = [(await accepted(options={name: length})).content_hash for name, length in timeouts.items()]
    hashes += [
        (await accepted()).content_hash,
        (await accepted(options={"job_timeout": Duration(seconds=91)})).content_hash,
    ]
    assert len(set(hashes)) == 5
    assert (await accepted(options=timeouts)).content_hash == job.content_hash


async def test_timeouts_that_are_not_given_stay_unset():
    job = await accepted()
    assert not [
        name for name in ("job_timeout", "item_timeout", "call_timeout") if job.options.HasField(name)
    ]


@pytest.mark.parametrize("nanos", [-5, 1_000_000_000])
@pytest.mark.parametrize("name", DURATIONS)
async def test_a_timeout_that_is_not_a_duration_is_named(name, nanos):
    timeout = Duration(seconds=3, nanos=nanos)
    assert fields_of(await refusal(options={name: timeout})) == [f"options.{name}"]


async def test_an_option_unknown_to_the_gateway_is_passed_on_and_is_part_of_the_content():
    unknown = bytes.fromhex("f83f 07")  # field 1023 = 7
    job = await accepted(options=jobs_pb2.JobOptions.FromString(unknown))
    assert job.options.SerializeToString().endswith(unknown)
    assert job.content_hash != (await accepted()).content_hash


async def test_cache_responses_is_passed_on_and_is_part_of_the_content():
    plain, cached = await accepted(), await accepted(options={"cache_responses": True})
    assert (plain.options.cache_responses, cached.options.cache_responses) == (False, True)
    assert plain.content_hash != cached.content_hash
    assert plain.content_hash == (await accepted(options={"cache_responses": False})).content_hash
