"""The network between the processes: calls to the store that take time and can fail, and the queue."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import dramatiq
import grpc

from headrace.errors import HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.results.servicer import ResultsServicer
from services.shared.queue.contract import QUEUE_BY_CLASS
from tests.simulation.inline_database import InlineDatabase, Meter
from tests.simulation.virtual_time import VirtualLoop

# One message with its confirm, by one thread (measured: 770 to 860 per second).
PUBLISH_SECONDS = 0.0012
DELIVER_SECONDS = 0.001


class StoreStub:
    """A stub of results: real transitions, behind a network that takes time and may be cut.

    Attributes:
        away: While set, every call fails as UNAVAILABLE.
        answered: Called with the name, request and response of each call that succeeded.
    """

    def __init__(self, database: InlineDatabase, meter: Meter, rng: random.Random, seconds: float) -> None:
        self._servicer = ResultsServicer(database)
        self._meter = meter
        self._rng = rng
        self._seconds = seconds
        self.away = False
        self.answered: list[Callable[[str, Any, Any], None]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._servicer, name)

        async def call(request: Any, timeout: float | None = None, **_: Any) -> Any:
            await asyncio.sleep(self._rng.expovariate(1 / self._seconds))
            if self.away:
                raise _error(grpc.StatusCode.UNAVAILABLE)
            self._meter.call.set(name)
            self._meter.calls[name] += 1
            try:
                response = await method(request, None)
            except HeadraceError as error:
                raise _error(error.code) from None
            for note in self.answered:
                note(name, request, response)
            return response

        return call


def _error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


class Queues:
    """RabbitMQ: one queue per class, which serves its consumers in turn.

    Attributes:
        published: Messages by class.
    """

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[tuple[str, int]]] = {
            name: asyncio.Queue() for name in QUEUE_BY_CLASS.values()
        }
        self.published: Counter[str] = Counter()

    def deliver(self, message: dramatiq.Message[Any]) -> None:
        kwargs = message.kwargs
        self._queues[message.queue_name].put_nowait((kwargs["job_id"], kwargs["job_class"]))

    async def get(self, job_class: jobs_pb2.JobClass) -> tuple[str, int]:
        return await self._queues[QUEUE_BY_CLASS[job_class]].get()

    def depth(self) -> int:
        return sum(queue.qsize() for queue in self._queues.values())


class PublishingEnd:
    """A broker as one publisher's thread sees it: each message takes time."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def enqueue(self, message: dramatiq.Message[Any]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.thread_seconds += PUBLISH_SECONDS
        self._queues.published[message.queue_name] += 1
        loop.call_later(loop.thread_seconds + DELIVER_SECONDS, self._queues.deliver, message)
