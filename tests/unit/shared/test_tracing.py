import asyncio

import pytest

from services.shared.tracing import (
    current_trace_id,
    detached_context,
    new_traceparent,
    read_traceparent,
)
from services.stubs.worker.v1 import worker_pb2

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.mark.parametrize("text", [PARENT, f"00-{TRACE_ID}-00f067aa0ba902b7-00"])
def test_a_traceparent_of_the_present_version_is_taken_as_it_is(text):
    assert read_traceparent(text) == text


def test_of_a_later_version_the_part_that_is_known_is_taken():
    assert read_traceparent(f"cc-{TRACE_ID}-00f067aa0ba902b7-01-what-the-future-holds") == PARENT


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        PARENT.encode(),
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID[:-1]}g-00f067aa0ba902b7-01",
    ],
)
def test_an_invalid_traceparent_is_ignored(value):
    assert read_traceparent(value) == ""


def test_a_new_traceparent_is_valid_and_unlike_every_other():
    made = {new_traceparent() for _ in range(100)}
    assert len(made) == 100
    assert all(read_traceparent(text) == text for text in made)


async def call(stub, *metadata):
    await stub.CancelJob(worker_pb2.CancelJobRequest(), metadata=metadata, timeout=10)


async def test_a_call_carries_the_trace_of_its_caller(serve):
    service, stub = await serve()
    await call(stub, ("traceparent", PARENT))
    async for _ in stub.StreamProgress(
        worker_pb2.StreamProgressRequest(), metadata=(("traceparent", PARENT),), timeout=10
    ):
        pass
    assert service.trace_ids == [TRACE_ID, TRACE_ID]


@pytest.mark.parametrize("metadata", [(), (("traceparent", "nonsense"),)])
async def test_without_a_good_traceparent_only_a_public_server_begins_a_trace(serve, metadata):
    public, public_stub = await serve(begins_traces=True)
    internal, internal_stub = await serve()
    for _ in range(2):
        await call(public_stub, *metadata)
        await call(internal_stub, *metadata)
    assert all(len(trace_id) == 32 for trace_id in public.trace_ids)
    assert len(set(public.trace_ids)) == 2
    assert internal.trace_ids == ["", ""]


async def test_calls_made_for_a_call_pass_its_trace_on(serve):
    behind, stub_behind = await serve()
    front, stub = await serve()
    answer = front._obey

    async def ask_behind(order):
        await answer(order)
        await call(stub_behind, ("headrace-tenant", "t"))

    front._obey = ask_behind
    await call(stub, ("traceparent", PARENT))
    assert behind.trace_ids == [TRACE_ID]


async def test_a_task_that_works_for_many_calls_carries_the_trace_of_none(serve):
    service, stub = await serve()
    answer, seen = service._obey, []

    async def look():
        seen.append(current_trace_id())

    async def start_tasks(order):
        await answer(order)
        await asyncio.create_task(look(), context=detached_context())
        await asyncio.create_task(look())

    service._obey = start_tasks
    await call(stub, ("traceparent", PARENT))
    assert seen == ["", TRACE_ID]
