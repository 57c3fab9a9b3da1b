"""The worst requests of 4 MB that we know: none blocks the loop, or takes many times its bytes."""

import asyncio
import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2

MB = 1024 * 1024
JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# The CPU time of one step of the loop's thread. It does not grow with the load of the machine.
MAX_SECONDS = 0.05
MAX_GROWTH = 10
MAX_BYTES = 4 * MB


def filled(opening: str, element: str, closing: str, size: int = MB) -> str:
    """JSON of many equal elements, just below a size."""
    count = (size - len(opening) - len(closing)) // len(element)
    return opening + element * count + closing


def json_of(**params) -> str:
    return json.dumps(params)


def repeated(element: str, size: int = MB) -> str:
    """A list of many equal elements."""
    return filled("[", f"{element},", f"{element}]", size - 2 * len(element))


def keys(size: int = MB, value: str = "1") -> str:
    """An object of many keys."""
    count = size // (9 + len(value))
    return "{" + ",".join(f'"{number:05x}":{value}' for number in range(count)) + "}"


ITEMS = {
    "empty objects": [repeated("{}")] * 3,
    "empty lists": [repeated("[]")] * 3,
    "pairs of numbers": [repeated("[1,2]")] * 3,
    "floats": [repeated("1e9")] * 3,
    "keys": [keys()] * 3,
    "many small": ["{}"] * 100_000,
    "many that are not JSON": ["x"] * 100_000,
    "many empty": [""] * 1_000_000,
    "many lists": ["[[],[],[],[]]"] * 100_000,
    "deep": ["[" * (MB - 1)] * 3,
    "250 levels, wide": [filled("[", "[" * 250 + "]" * 250 + ",", "0]")] * 3,
    "escapes": ['"' + "\\u0001" * (MB // 6 - 1) + '"'] * 3,
    "quotes and brackets": ['"' + "[{" * (MB // 2 - 2) + '"'] * 3,
    "digits": ["1" * (MB - 1)] * 3,
}
# The same code checks the items of a batch.
BATCHES = ("pairs of numbers", "many small", "many empty")
PARAMS = {
    "unknown keys": ("noop", keys()),
    "empty objects": ("noop", '{"x":' + repeated("{}", MB - 10) + "}"),
    "wrong labels": ("llm.classify", '{"template": "{a}", "labels":' + repeated("1", MB - 50) + "}"),
    "thousand labels": ("llm.classify", json_of(template="{a}", labels=[f"{i:0500}" for i in range(1_000)])),
    "labels that grow": (
        "llm.classify",
        json_of(template="{a}", labels=[f"{i:04}" + "\ufdfa" * 160 for i in range(1_000)]),
    ),
    "labels of marks": (
        "llm.classify",
        json_of(template="{a}", labels=[f"{i:04}" + "\u0315\u0300" * 70 for i in range(1_000)]),
    ),
    "wrong prompts": ("llm.complete", '{"prompts":' + keys(MB - 50) + "}"),
    "prompts of fields": ("llm.complete", json_of(prompts={str(i): "{a}" * 33_000 for i in range(10)})),
    "prompts of braces": (
        "llm.complete",
        json_of(prompts={str(i): "{a}" + "{{" * 49_000 for i in range(10)}),
    ),
    "prompts of one brace": (
        "llm.complete",
        json_of(prompts={str(i): "{" + "a" * 99_999 for i in range(10)}),
    ),
    "stop": ("llm.complete", '{"prompt": "{a}", "stop":' + repeated("1", MB - 50) + "}"),
    "headers": ("llm.complete", '{"prompt": "{a}", "extra_headers":' + keys(MB - 50, '""') + "}"),
    "body": ("llm.complete", '{"prompt": "{a}", "extra_body":' + keys(MB - 50) + "}"),
    "wide body": ("llm.complete", '{"prompt": "{a}", "extra_body":{"x":' + repeated("{}", MB - 50) + "}}"),
    "deep": ("llm.complete", '{"prompt": "{a}", "seed":' + "[" * (MB - 50)),
}
ESTIMATES = {
    "multiplied": ("llm.complete", {"prompt": "{a}" * 2_000}, ['{"a":"' + "x" * (MB - 20) + '"}'] * 3),
    "written by 20 prompts": (
        "llm.complete",
        {"prompts": {str(i): "{a}" for i in range(20)}},
        ['{"a":' + repeated("1e9", MB - 20) + "}"] * 3,
    ),
    "many fields": (
        "llm.complete",
        {"prompts": {str(i): "".join(f"{{{n:x}}}" for n in range(16_000)) for i in range(9)}},
        [json.dumps(dict.fromkeys([f"{n:x}" for n in range(16_000)], "x" * 20))] * 3,
    ),
    "small": ("llm.classify", {"template": "{a}", "labels": ["a", "b"]}, ['{"a":"x"}'] * 100_000),
}


def submission(**fields) -> gateway_pb2.SubmitJobRequest:
    return gateway_pb2.SubmitJobRequest(**{"kind": "noop", "request_id": "r", **fields})


def requests() -> Iterator[tuple[str, str, object]]:
    """Yields the name of a case, the call, and its request."""
    for name, items in ITEMS.items():
        yield f"items: {name}", "SubmitJob", submission(items=items)
        yield (
            f"estimate of items: {name}",
            "SubmitJob",
            submission(items=items, validate_only=True, kind="llm.complete", params='{"prompt": "{a}"}'),
        )
        if name in BATCHES:
            yield f"batch: {name}", "AppendItems", gateway_pb2.AppendItemsRequest(items=items)
    for name, (kind, params) in PARAMS.items():
        yield f"params: {name}", "SubmitJob", submission(kind=kind, params=params, items=["1"])
        yield (
            f"estimate of params: {name}",
            "SubmitJob",
            submission(kind=kind, params=params, items=['{"a": "x"}'] * 3, validate_only=True),
        )
    for name, (kind, values, items) in ESTIMATES.items():
        yield (
            f"estimate: {name}",
            "SubmitJob",
            submission(kind=kind, params=json.dumps(values), items=items, validate_only=True),
        )
    yield "states", "ListJobs", gateway_pb2.ListJobsRequest(states=[1, 2] * 2_000_000)
    yield "reasons", "RetryJob", gateway_pb2.RetryJobRequest(job_id=JOB_ID, reasons=[""] * 2_000_000)
    yield "long reasons", "RetryJob", gateway_pb2.RetryJobRequest(job_id=JOB_ID, reasons=["x" * 200_000] * 20)
    yield "indexes", "RetryJob", gateway_pb2.RetryJobRequest(job_id=JOB_ID, item_indexes=[1] * 4_000_000)
    yield "wrong indexes", "RetryJob", gateway_pb2.RetryJobRequest(job_id=JOB_ID, item_indexes=[-1] * 10_000)
    yield from token_requests("W" * (MAX_BYTES - 100), "long")


def token_requests(token: str, name: str) -> Iterator[tuple[str, str, object]]:
    """Yields requests whose opaque or short texts are long."""
    yield f"{name} page_token", "ListJobs", gateway_pb2.ListJobsRequest(page_token=token)
    yield f"{name} kind", "ListJobs", gateway_pb2.ListJobsRequest(kind=token)
    yield (
        f"{name} page_token of results",
        "GetResults",
        gateway_pb2.GetResultsRequest(job_id=JOB_ID, page_token=token),
    )
    yield f"{name} cursor", "StreamResults", gateway_pb2.StreamResultsRequest(job_id=JOB_ID, cursor=token)
    yield f"{name} resume_token", "WatchJob", gateway_pb2.WatchJobRequest(job_id=JOB_ID, resume_token=token)
    yield f"{name} request_id", "SubmitJob", submission(items=["1"], request_id=token)
    yield (
        f"{name} request_id of a retry",
        "RetryJob",
        gateway_pb2.RetryJobRequest(job_id=JOB_ID, request_id=token),
    )
    for method in ("GetJob", "CancelJob", "PauseJob", "ResumeJob", "GetFailures"):
        yield f"{name} job_id of {method}", method, getattr(gateway_pb2, f"{method}Request")(job_id=token)


CASES = [pytest.param(method, request, id=name) for name, method, request in requests()]
# Others hold what these hold, or little.
LARGE_CASES = [
    case
    for case in CASES
    if case.id.startswith(("items: ", "estimate of params: ", "estimate: ", "reasons", "indexes"))
    and not case.id.endswith(("small", "fields"))
]


class Caller:
    """The context of a call without metadata."""

    def invocation_metadata(self):
        return ()

    async def send_initial_metadata(self, metadata):
        pass


async def make_call(servicer, method: str, request) -> None:
    """Makes a call without gRPC, to its end or its error."""
    with suppress(HeadraceError):
        if method == "AppendItems":
            await append(servicer, request)
        elif method in ("StreamResults", "WatchJob"):
            async for _ in getattr(servicer, method)(request, Caller()):
                pass
        else:
            await getattr(servicer, method)(request, Caller())


async def append(servicer, batch) -> None:
    opened = await servicer.SubmitJob(submission(upload=True), Caller())

    async def requests():
        yield gateway_pb2.AppendItemsRequest(job_id=opened.job.job_id)
        yield batch

    async for _ in servicer.AppendItems(requests(), Caller()):
        pass


async def longest_step(awaitable) -> float:
    """Returns the CPU time of the longest time that another task had to wait."""
    task = asyncio.ensure_future(awaitable)
    longest, last = 0.0, time.thread_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    await task
    return longest


@pytest.mark.parametrize(("method", "request_"), CASES)
async def test_the_loop_is_never_blocked_for_long(gateway, method, request_):
    assert request_.ByteSize() < MAX_BYTES + 1_000
    steps = []
    while not steps or (steps[-1] >= MAX_SECONDS and len(steps) < 3):  # a collection of garbage may hit one
        steps.append(await longest_step(make_call(gateway.app._servicer, method, request_)))
    assert min(steps) < MAX_SECONDS


@pytest.mark.parametrize(("method", "request_"), LARGE_CASES)
async def test_memory_stays_within_ten_times_the_request(gateway, method, request_):
    tracemalloc.start()
    try:
        await make_call(gateway.app._servicer, method, request_)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_GROWTH * max(request_.ByteSize(), 3 * MB)
