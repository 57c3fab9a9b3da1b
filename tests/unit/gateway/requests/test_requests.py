"""Wrong requests, and a store that is unavailable: tested for every method of the service descriptor."""

import asyncio

import grpc
import pytest
from google.protobuf import symbol_database

from headrace import __version__
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

METHODS = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].methods
JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OF_ONE_JOB = [method for method in METHODS if "job_id" in method.input_type.fields_by_name]
OF_A_TENANT = [method for method in METHODS if method.name not in ("ListKinds", "ListWorkers")]
OF_THE_STORE = [method for method in METHODS if method.name != "ListKinds"]
STORE_CALLS = (
    "CreateJobs", "AppendItems", "GetJobs", "ListJobs", "ListResults", "ListRecordedResults", "CancelJob",
    "PauseJob", "ResumeJob", "RetryJob", "ListFailureReasons", "ListWorkers", "GetItems", "UpdateJob",
    "DeleteJob", "GetParams", "ListJobEvents", "GetUsage", "ListChanges",
)  # fmt: skip
# Fields without which a request is refused, or needs a job in another state.
NEEDED = {"UpdateJob": {"resume": True}, "DeleteJob": {"force": True}}
NO_IDS = [
    "",
    "7",
    "not-a-uuid",
    JOB_ID[:-1],
    f"{{{JOB_ID}}}",
    JOB_ID + "\n",
    JOB_ID.replace("-", ""),
    "é" * 36,
]


def named(method) -> str:
    return method.name


def call(gateway, method, metadata=(), timeout=10, **fields):
    fields = NEEDED.get(method.name, {}) | fields
    request = symbol_database.Default().GetSymbol(method.input_type.full_name)(**fields)
    argument = iter([request]) if method.client_streaming else request
    started = getattr(gateway.stub, method.name)(argument, metadata=metadata, timeout=timeout)
    return started.read() if method.server_streaming else started


def good_fields(method) -> dict:
    if method.name == "SubmitJob":
        return {"kind": "noop", "items": ["1"]}
    return {"job_id": JOB_ID} if method in OF_ONE_JOB else {}


def test_every_call_is_walked():
    assert {method.name for method in METHODS} == {
        "SubmitJob", "AppendItems", "GetJob", "ListJobs", "WatchJob", "GetResults", "StreamResults",
        "CancelJob", "PauseJob", "ResumeJob", "RetryJob", "GetFailures", "GetItems", "ListKinds",
        "ListWorkers", "UpdateJob", "DeleteJob", "ListJobEvents", "GetUsage", "WatchJobs",
    }  # fmt: skip


@pytest.mark.parametrize("job_id", NO_IDS)
@pytest.mark.parametrize("method", OF_ONE_JOB, ids=named)
async def test_a_job_id_that_is_not_a_uuid_is_named(gateway, failure_of, method, job_id):
    error = await failure_of(call(gateway, method, job_id=job_id))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_FIELD"
    assert [violation.field for violation in error.violations] == ["job_id"]
    assert "UUID" in error.message


@pytest.mark.parametrize("method", OF_ONE_JOB, ids=named)
async def test_a_job_that_does_not_exist_is_not_found(gateway, failure_of, method):
    error = await failure_of(call(gateway, method, job_id=JOB_ID))
    assert error.code is grpc.StatusCode.NOT_FOUND
    assert error.reason == "JOB_NOT_FOUND"


@pytest.mark.parametrize("method", OF_ONE_JOB, ids=named)
async def test_a_job_of_another_tenant_is_not_found(gateway, submit, failure_of, method):
    job = await submit(gateway, tenant="theirs")
    error = await failure_of(call(gateway, method, job_id=job.job_id))
    assert error.reason == "JOB_NOT_FOUND"


@pytest.mark.parametrize("method", OF_ONE_JOB, ids=named)
async def test_a_job_id_is_accepted_in_upper_or_lower_case(gateway, results, submit, method):
    job = await submit(gateway)
    results.record(job.job_id, 0)
    assert await call(gateway, method, job_id=job.job_id.upper())


@pytest.mark.parametrize("tenants", [[""], ["Mine"], ["x" * 65], ["a b"], ["a", "b"]], ids=str)
@pytest.mark.parametrize("method", OF_A_TENANT, ids=named)
async def test_an_invalid_tenant_is_named(gateway, failure_of, method, tenants):
    metadata = [("headrace-tenant", tenant) for tenant in tenants]
    error = await failure_of(call(gateway, method, metadata, **good_fields(method)))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.violations[0].field == "headrace-tenant"


@pytest.mark.parametrize("method", OF_THE_STORE, ids=named)
async def test_a_missing_store_is_reported_as_unavailable_without_an_address(
    start_gateway, failure_of, method
):
    gateway = await start_gateway(results_target="127.0.0.1:1")
    error = await failure_of(call(gateway, method, **good_fields(method)))
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.reason == "STORE_UNAVAILABLE"
    assert "127.0.0.1" not in error.message


@pytest.mark.parametrize("method", OF_THE_STORE, ids=named)
async def test_a_fault_of_the_store_is_reported_as_internal_without_its_text(
    gateway, results, failure_of, method
):
    for name in STORE_CALLS:
        results.failures[name] = RuntimeError("secret")
    error = await failure_of(call(gateway, method, **good_fields(method)))
    assert error.code is grpc.StatusCode.INTERNAL
    assert error.reason == "INTERNAL"
    assert "secret" not in error.message


@pytest.mark.parametrize("method", OF_THE_STORE, ids=named)
async def test_a_deadline_of_1_ms_is_exceeded_and_leaves_nothing_behind(
    gateway, results, submit, failure_of, method
):
    job = await submit(gateway)
    results.record(job.job_id, 0)
    gateway.app.hub.recent.clear()  # so that a watch calls the store too
    for name in STORE_CALLS:
        results.gates[name] = asyncio.Event()
    fields = {**good_fields(method), **({"job_id": job.job_id} if method in OF_ONE_JOB else {})}
    error = await failure_of(call(gateway, method, timeout=0.001, **fields))
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    for name in STORE_CALLS:
        results.gates.pop(name).set()
    async with asyncio.timeout(10):
        while gateway.app.hub.watched_job_count or gateway.app.uploads.running:
            await asyncio.sleep(0.01)
    if method.name == "DeleteJob":  # The store has carried out the call that nobody waited for.
        assert (await failure_of(call(gateway, method, **fields))).reason == "JOB_NOT_FOUND"
    else:
        assert await call(gateway, method, **fields)


@pytest.mark.parametrize("method", OF_A_TENANT, ids=named)
async def test_a_tenant_in_broken_utf_8_is_reported_as_a_wrong_field(gateway, method):
    path = f"/{method.containing_service.full_name}/{method.name}"
    message = symbol_database.Default().GetSymbol(method.input_type.full_name)(**good_fields(method))
    response = await raw_call(gateway.app.target, path, message.SerializeToString(), b"\xff\xc3(")
    assert b"\x0bgrpc-status\x013" in response  # INVALID_ARGUMENT
    assert b"headrace-tenant" in response


async def raw_call(target: str, path: str, message: bytes, tenant: bytes) -> bytes:
    """Calls with any bytes as the tenant, as no gRPC client would; returns the bytes of the response."""
    fields = {
        b":method": b"POST", b":scheme": b"http", b":path": path.encode(), b":authority": b"x",
        b"te": b"trailers", b"content-type": b"application/grpc", b"headrace-tenant": tenant,
    }  # fmt: skip
    headers = b"".join(
        bytes([0, len(name)]) + name + bytes([len(value)]) + value for name, value in fields.items()
    )
    data = b"\0" + len(message).to_bytes(4, "big") + message
    reader, writer = await asyncio.open_connection(*target.split(":"))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
    writer.write(frame(1, 4, 1, headers) + frame(0, 1, 1, data))
    response = b""
    async with asyncio.timeout(10):
        while b"grpc-status" not in response:
            part = await reader.read(65536)
            assert part, response
            response += part
    writer.close()
    return response


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


async def test_kinds_are_listed_by_name_with_their_schema_without_the_store(start_gateway):
    gateway = await start_gateway(results_target="127.0.0.1:1")
    kinds = (await gateway.stub.ListKinds(gateway_pb2.ListKindsRequest())).kinds
    assert [kind.name for kind in kinds] == ["llm.classify", "llm.complete", "noop"]
    assert '"labels"' in kinds[0].params_schema


async def test_the_version_of_a_gateway_comes_with_its_kinds(gateway):
    call = gateway.stub.ListKinds(gateway_pb2.ListKindsRequest())
    await call
    assert ("headrace-version", __version__) in tuple(await call.trailing_metadata())


async def test_workers_are_listed(gateway, results):
    results.live_workers.append(jobs_pb2.Worker(incarnation=JOB_ID, address="127.0.0.1:1", live=True))
    workers = (await gateway.stub.ListWorkers(gateway_pb2.ListWorkersRequest())).workers
    assert [worker.incarnation for worker in workers] == [JOB_ID]


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("ListJobs", {"page_size": -1}, "page_size"),
        ("ListJobs", {"states": [2, 0]}, "states[1]"),
        ("ListJobs", {"states": [99]}, "states[0]"),
        ("ListJobs", {"kind": "a\0"}, "kind"),
        ("ListJobs", {"kind": "a" * 129}, "kind"),
        ("GetResults", {"job_id": JOB_ID, "page_size": -1}, "page_size"),
        ("GetResults", {"job_id": JOB_ID, "item_state": 9}, "item_state"),
        ("GetItems", {"job_id": JOB_ID, "page_size": -1}, "page_size"),
        ("StreamResults", {"job_id": JOB_ID, "item_state": 9}, "item_state"),
        ("StreamResults", {"job_id": JOB_ID, "cursor": "x" * 5000}, "cursor"),
        ("WatchJob", {"job_id": JOB_ID, "resume_token": "x" * 5000}, "resume_token"),
        ("ListJobs", {"states": [2, 2]}, "states"),
    ],
    ids=str,
)
async def test_a_wrong_field_of_a_query_is_named(gateway, failure_of, method, fields, field):
    [descriptor] = [candidate for candidate in METHODS if candidate.name == method]
    error = await failure_of(call(gateway, descriptor, **fields))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_FIELD"
    assert [violation.field for violation in error.violations] == [field]


async def test_jobs_are_listed_page_by_page_newest_first(gateway, submit):
    jobs = [await submit(gateway) for _ in range(5)]
    await submit(gateway, tenant="theirs")
    listed, token = [], ""
    for expected_size in (2, 2, 1):
        page = await gateway.stub.ListJobs(gateway_pb2.ListJobsRequest(page_size=2, page_token=token))
        assert len(page.jobs) == expected_size
        listed += [job.job_id for job in page.jobs]
        token = page.next_page_token
    assert token == ""
    assert listed == [job.job_id for job in reversed(jobs)]


async def test_results_are_read_page_by_page(gateway, submit):
    job = await submit(gateway, item_count=5)
    indices, token = [], ""
    while True:
        page = await gateway.stub.GetResults(
            gateway_pb2.GetResultsRequest(job_id=job.job_id, page_size=2, page_token=token)
        )
        indices += [result.item_index for result in page.results]
        token = page.next_page_token
        if not token:
            break
    assert indices == [0, 1, 2, 3, 4]


async def test_the_page_size_may_change_from_page_to_page(gateway, submit):
    job = await submit(gateway, item_count=5)
    first = await gateway.stub.GetResults(gateway_pb2.GetResultsRequest(job_id=job.job_id, page_size=1))
    rest = await gateway.stub.GetResults(
        gateway_pb2.GetResultsRequest(
            job_id=job.job_id.upper(), page_size=1000, page_token=first.next_page_token
        )
    )
    assert [result.item_index for result in rest.results] == [1, 2, 3, 4]


@pytest.mark.parametrize("change", [{"item_state": 1}, {"item_state": 2}], ids=str)
async def test_a_page_token_of_another_query_of_results_is_refused(gateway, submit, failure_of, change):
    job = await submit(gateway)
    page = await gateway.stub.GetResults(gateway_pb2.GetResultsRequest(job_id=job.job_id, page_size=1))
    error = await failure_of(
        gateway.stub.GetResults(
            gateway_pb2.GetResultsRequest(job_id=job.job_id, page_token=page.next_page_token, **change)
        )
    )
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_PAGE_TOKEN"


async def test_a_page_token_of_another_tenant_is_refused(gateway, submit, failure_of):
    for _ in range(2):
        await submit(gateway, tenant="theirs")
    page = await gateway.stub.ListJobs(
        gateway_pb2.ListJobsRequest(page_size=1), metadata=(("headrace-tenant", "theirs"),)
    )
    error = await failure_of(
        gateway.stub.ListJobs(gateway_pb2.ListJobsRequest(page_token=page.next_page_token))
    )
    assert error.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(("asked", "used"), [(0, 50), (7, 7), (5000, 1000)])
async def test_the_page_size_has_a_default_and_a_limit(gateway, results, asked, used):
    await gateway.stub.ListJobs(gateway_pb2.ListJobsRequest(page_size=asked))
    assert results.requests["ListJobs"][-1].page_size == used
