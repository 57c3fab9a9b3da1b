"""Whole systems, tested from outside: clients of a gateway, and the provider's counts of calls."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from headrace import Client, JobState

LABELS = ["Engineering", "Design", "Sales", "Finance"]
CLASSIFY = {"labels": LABELS, "template": "Posting {number}: {title}", "model": "stand-in"}
TITLES = ["Software Engineer", "Product Designer", "Account Executive", "Controller"]


def make_postings(count: int, mark: str = "") -> list[dict[str, Any]]:
    """Returns items for `CLASSIFY`, each with a unique prompt."""
    return [{"number": f"{mark}{n}", "title": TITLES[n % len(TITLES)]} for n in range(count)]


class StandInControl:
    """Reads the counts of a stand-in process and sets its behaviour."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def set(self, **behaviour: Any) -> None:
        async with self._session.post(f"{self._url}/control", json=behaviour) as response:
            assert response.status == 200, await response.text()

    async def calls(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/calls", params={"prompts": "1"}) as response:
            calls: dict[str, Any] = await response.json()
            return calls

    async def wait_for_calls(self, count: int) -> None:
        while (await self.calls())["answered_count"] < count:
            await asyncio.sleep(0.02)


class CuttableProxy:
    """Forwards TCP connections until it is cut. Then it aborts them and leaves new ones unanswered.

    Attributes:
        port: Port that it listens on, once started.
        sent: Bytes that clients sent, by connection.
    """

    def __init__(self) -> None:
        self.port = 0
        self.upstream_port = 0
        self.is_cut = False
        self.sent: list[bytearray] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    def cut(self) -> None:
        self.is_cut = True
        self._abort_all()

    def mend(self) -> None:
        """Forwards new connections again; clients of the old ones reconnect."""
        self.is_cut = False
        self.sent.clear()
        self._abort_all()

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self.is_cut:
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self._writers.add(up_writer)
        self.sent.append(bytearray())
        for source, sink, note in (
            (reader, up_writer, self.sent[-1].extend),
            (up_reader, writer, len),
        ):
            task = asyncio.create_task(self._pipe(source, sink, note))
            self._tasks.add(task)

    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: Callable[[bytes], object]
    ) -> None:
        try:
            while data := await source.read(65536):
                note(data)
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.transport.abort()


@pytest.fixture(scope="session")
def make_proxy() -> type[CuttableProxy]:
    return CuttableProxy


@pytest.fixture
async def proxy(make_proxy):
    proxy = make_proxy()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def open_stand_in():
    async with aiohttp.ClientSession() as session:
        yield lambda url: StandInControl(url, session)


@pytest.fixture
async def open_client():
    clients: list[Client] = []

    def open_one(target: str, **options: Any) -> Client:
        clients.append(Client(target, **options))
        return clients[-1]

    yield open_one
    for client in clients:
        await client.close()


@pytest.fixture
def watch_through():
    """Watches a job to its end, with a fault in the middle. Its snapshots must never go back.

    The fault comes at the first event for which `when` holds. Returns the seq at that moment and the last
    event.
    """

    async def watch(client, job_id, fault, when=lambda event: event.progress.succeeded_count > 0):
        seqs, seq_at_fault = [], None
        async with asyncio.timeout(90):
            async for event in client.watch(job_id):
                seqs.append(event.job.seq)
                if seq_at_fault is None and when(event):
                    seq_at_fault = event.job.seq
                    await fault()
        assert seq_at_fault is not None
        assert seqs == sorted(seqs)
        assert event.state is JobState.SUCCEEDED, event
        return seq_at_fault, event

    return watch


@pytest.fixture
def postings() -> Callable[..., list[dict[str, Any]]]:
    return make_postings


@pytest.fixture
def classify() -> dict[str, Any]:
    return dict(CLASSIFY)


@pytest.fixture
def fill_slots(postings, classify):
    """Runs items until the workers know that the model answers calls in all of their slots.

    A limit only grows while half of it is in flight, so calls must be slow enough for a busy machine.
    """

    async def fill(client: Client, stand_in: StandInControl, item_count: int = 1000) -> None:
        await stand_in.set(reset=True, latency_ms=500)
        job = await client.submit("llm.classify", postings(item_count, "warm"), classify)
        async with asyncio.timeout(60):
            last = [event async for event in client.watch(job.job_id)][-1]
        assert last.state is JobState.SUCCEEDED
        await stand_in.set(reset=True)

    return fill


@pytest.fixture
def repeated_calls():
    """Counts repeated calls: the second and later calls of each prompt."""

    def count(calls: dict[str, Any]) -> int:
        return sum(n - 1 for n in calls["prompts"].values())

    return count


@pytest.fixture
def calls_of_postings():
    """Counts the calls of a stand-in for each of the postings of `make_postings`."""

    def count(calls: dict[str, Any], item_count: int, mark: str = "") -> list[int]:
        asked = [CLASSIFY["template"].format(**posting) for posting in make_postings(item_count, mark)]
        return [calls["prompts"].get(prompt, 0) for prompt in asked]

    return count


@pytest.fixture
def revived(two_gateways):
    """The shared stack. Services that the test ended are started again afterwards."""
    yield two_gateways
    services = (two_gateways.results, *two_gateways.gateways, *two_gateways.workers)
    for service in services:
        service.start()
    for service in services:
        service.wait_ready()


@pytest.fixture
def any_gateway(two_gateways) -> str:
    """A target that names both gateways."""
    first, second = two_gateways.gateways
    return f"ipv4:{first.target},{second.target}"


@pytest.fixture
def fail_over(two_gateways):
    """Only the first gateway is running. Calling this starts the second and kills the first."""
    first, second = two_gateways.gateways
    second.stop()

    def change() -> None:
        second.start()
        second.wait_ready()
        first.kill()

    yield change
    for gateway in (first, second):
        gateway.start()
        gateway.wait_ready()
