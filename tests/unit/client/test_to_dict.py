"""Every public object turns into a dict that every JSON library takes."""

import dataclasses
import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import orjson
import pydantic
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

import headrace
from headrace import (
    FailedAttempt,
    Failure,
    FailureGroup,
    FieldViolation,
    HeadraceError,
    InvalidArgumentError,
    Item,
    ItemState,
    Job,
    JobChange,
    JobClass,
    JobEstimate,
    JobEvent,
    JobForecast,
    JobHistoryEvent,
    JobOutage,
    JobState,
    JobTrial,
    KindInfo,
    LiveEvent,
    PauseReason,
    Progress,
    Result,
    Usage,
    UsageGroup,
    UsageReport,
    WatchedJob,
    WorkerInfo,
)
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

TIME = datetime(2026, 11, 30, 13, 0, 0, 250_000, timezone(timedelta(hours=1)))
TEXT = "2026-11-30T12:00:00.250000Z"
FAILURE = Failure("RATE_LIMITED", "later", "slow down")
OUTAGE = JobOutage(TIME, "PROVIDER_UNREACHABLE", "refused")
LIVE = LiveEvent(TIME, "w1", 3, 1.5, 20.0, outage=OUTAGE)
FORECAST = JobForecast(1.5, 20.0, 3, 0, 0.0, timedelta(seconds=31, milliseconds=500), 77, OUTAGE)
JOB = Job(
    job_id="j",
    kind="noop",
    state=JobState.RUNNING,
    job_class=JobClass.BULK,
    create_time=TIME,
    schedule_time=None,
    start_time=TIME,
    finish_time=None,
    progress=Progress(10, 5, 1, 0),
    usage=Usage(answered_models=("a", "b")),
    error=FAILURE,
    pause_reason=PauseReason.BUDGET,
    seq=7,
    tenant="default",
    options={"job_class": JobClass.BULK, "job_timeout": timedelta(hours=2), "schedule_time": TIME},
)
RESULT = Result(
    item_index=3,
    state=ItemState.SUCCEEDED,
    output={"label": "Köchin 🍳", "scores": [0.5, 1, None, True]},
    error=None,
    attempt_count=2,
    usage=Usage(),
    finish_time=TIME,
    output_text='{"label": "…"}',
    failed_attempts=(FailedAttempt(1, FAILURE),),
)
ITEM = Item(3, "k", {"text": "Köchin 🍳"}, RESULT, '{"text": "…"}')
USAGE_GROUP = UsageGroup("2026-11-30", "m", "noop", "", 1, 10, 0, Usage())
RESOURCES = [
    FAILURE,
    OUTAGE,
    LIVE,
    FORECAST,
    JOB,
    RESULT,
    ITEM,
    FailedAttempt(1, FAILURE),
    FailureGroup("RATE_LIMITED", 3, 0, "later"),
    JobEstimate(1, 2, 3, None),
    JobEvent(JOB, "token", (LIVE,), FORECAST),
    JobHistoryEvent(1, TIME, JobChange.STARTED),
    JobTrial(100, 7),
    KindInfo("noop", "waits", {"type": "object", "properties": {}}),
    Progress(10, 5, 1, 0),
    Usage(answered_models=("a",)),
    USAGE_GROUP,
    UsageReport((USAGE_GROUP,), USAGE_GROUP),
    WatchedJob(JOB, "token"),
    WorkerInfo("w1", "host:1", TIME, None, True, 1, 2, 3),
]
ERRORS = [
    InvalidArgumentError("wrong", violations=[FieldViolation("kind", "is unknown")], metadata={"a": "b"})
]


def are_plain(value):
    """Returns whether a value consists of the very types of JSON, not of their subclasses."""
    if type(value) is dict:
        return all(type(key) is str and are_plain(member) for key, member in value.items())
    if type(value) is list:
        return all(are_plain(member) for member in value)
    return value is None or type(value) in (bool, int, float, str)


def test_every_public_dataclass_is_tried_here():
    public = {getattr(headrace, name) for name in headrace.__all__}
    dataclass_types = {each for each in public if isinstance(each, type) and dataclasses.is_dataclass(each)}
    assert {type(resource) for resource in RESOURCES} == dataclass_types


@pytest.mark.parametrize("resource", [*RESOURCES, *ERRORS], ids=lambda value: type(value).__name__)
def test_a_dict_holds_plain_values_that_json_libraries_write_alike(resource):
    plain = resource.to_dict()
    assert are_plain(plain)
    assert json.loads(json.dumps(plain, allow_nan=False)) == orjson.loads(orjson.dumps(plain)) == plain


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda value: type(value).__name__)
def test_a_dict_has_the_fields_of_its_object(resource):
    names = [member.name for member in dataclasses.fields(resource)]
    assert list(resource.to_dict()) == [name for name in names if name not in ("output_text", "input_text")]


def test_times_are_iso_text_durations_seconds_and_enums_names():
    event = JobEvent(JOB, "token", (LIVE,), FORECAST).to_dict()
    assert event["job"]["create_time"] == TEXT
    assert datetime.fromisoformat(TEXT) == TIME
    assert event["job"]["finish_time"] is None
    assert event["job"]["state"] == "RUNNING"
    assert event["job"]["options"] == {"job_class": "BULK", "job_timeout": 7200.0, "schedule_time": TEXT}
    assert event["forecast"]["estimated_remaining"] == 31.5
    assert event["live_events"][0]["outage"]["begin_time"] == TEXT


def test_a_time_on_the_full_second_is_iso_text_too():
    assert WorkerInfo("w", "h:1", datetime(2026, 1, 1, tzinfo=UTC), None, True, 1, 2, 3).to_dict()[
        "start_time"
    ] == "2026-01-01T00:00:00Z"  # fmt: skip


async def test_an_event_of_a_real_watch_is_written_by_orjson(client, gateway, make_job, job_id):
    job = make_job(1, options={"job_timeout": Duration(seconds=60)}, expire_time=Timestamp(seconds=1))
    forecast = jobs_pb2.JobForecast(items_per_second=2.5, estimated_remaining=Duration(seconds=90))
    gateway.script(
        gateway_pb2.WatchJobResponse(job=job, resume_token="t", forecast=forecast),
        make_job(2, "SUCCEEDED"),
    )
    events = [event async for event in client.watch(job_id)]
    written = [orjson.loads(orjson.dumps(event.to_dict())) for event in events]
    assert written[0]["forecast"]["estimated_remaining"] == 90.0
    assert written[0]["job"]["options"] == {"job_timeout": 60.0}
    assert written[-1]["job"]["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r'"half \ud83d of one"', "half \ufffd of one"),
        (r'{"\ud83d": "\ud83c\udf73"}', {"\ufffd": "🍳"}),
        ("[18446744073709551616, -9223372036854775809]", [1.8446744073709552e19, -9.223372036854776e18]),
        ('"007"', "007"),
        ("[[], {}, null, 1e400]", [[], {}, None, None]),
    ],
)
async def test_an_output_that_a_json_library_would_refuse_has_a_plain_form(
    client, gateway, make_result, job_id, text, plain
):
    gateway.recorded = [(1, make_result(0, text))]
    (result,) = [result async for result in client.results(job_id)]
    found = result.to_dict()["output"]
    assert are_plain(found)
    assert found == plain
    orjson.dumps(found)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_null(value):
    assert dataclasses.replace(RESULT, output=[value]).to_dict()["output"] == [None]


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**6000], ids=["above", "below", "long"])
def test_an_integer_over_64_bits_keeps_its_digits_as_text(value):
    (text,) = dataclasses.replace(RESULT, output=[value]).to_dict()["output"]
    assert int(text, 0 if text.startswith(("0x", "-0x")) else 10) == value


def test_an_output_of_an_output_type_is_a_dict_of_its_fields():
    @dataclasses.dataclass
    class Label:
        name: str
        day: date
        parts: list["Label"]

    class Score(pydantic.BaseModel):
        points: Decimal

    typed = [Label("a", date(2026, 11, 30), [Label("b", date.min, [])]), Score(points=Decimal("1.50"))]
    found = dataclasses.replace(RESULT, output=typed).to_dict()["output"]
    assert found == [
        {"name": "a", "day": "2026-11-30", "parts": [{"name": "b", "day": "0001-01-01", "parts": []}]},
        {"points": "1.50"},
    ]
    assert are_plain(found)


def test_a_dict_is_a_copy():
    plain = RESULT.to_dict()
    plain["output"]["scores"].append("more")
    assert RESULT.output["scores"] == [0.5, 1, None, True]


def test_the_dict_of_an_error_names_its_code_its_reason_and_each_wrong_field():
    assert ERRORS[0].to_dict() == {
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_FIELD",
        "message": "wrong",
        "violations": [{"field": "kind", "description": "is unknown"}],
        "metadata": {"a": "b"},
        "answered": False,
    }
    assert HeadraceError("x").to_dict()["code"] == "UNKNOWN"
