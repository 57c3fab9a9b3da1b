"""The runs: one with faults and one without, on the same postings."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import spare_port
from headrace import Client
from tests.real_model.checks import (
    Check,
    check_broken_off,
    check_items,
    check_rate,
    check_server,
    check_usage,
)
from tests.real_model.jobs import MODEL, chosen_postings, item_texts, submit
from tests.real_model.model_server import ModelServer, Tokens
from tests.real_model.plain_loop import calls_per_second, replay
from tests.real_model.proxy import Call, RecordingProxy
from tests.real_model.stack import WORKERS, Stack

_DOWN_SECONDS = 8.0
# Finished items at which the worker and the server are killed.
_WORKER_KILL_AT = 15
_SERVER_KILL_AT = 40


@dataclass(frozen=True)
class _Kill:
    """The kill of the server.

    Attributes:
        tokens: Its own count, read immediately before.
        answered: Calls that were answered before the count was read.
        others: Other calls that began before it: in flight, or left by their client.
    """

    tokens: Tokens
    answered: list[Call]
    others: list[Call]


class Rounds:
    """The model's server, the proxy in front of it, and the stack that calls it.

    Args:
        folder: Folder of their files.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server = ModelServer(folder, spare_port())
        self._proxy = RecordingProxy(spare_port(), self._server.url)
        self._stack = Stack(folder / "stack", self._proxy.url, MODEL)
        self._postings = chosen_postings()
        self._items = item_texts(self._postings)
        self._load = os.getloadavg()[0]

    async def start(self) -> None:
        """Starts what all runs share."""
        await self._proxy.start()

    async def close(self) -> None:
        """Stops everything and removes the data of the stack."""
        self._server.kill()
        await asyncio.to_thread(self._stack.clean)
        await self._proxy.close()

    def describe(self) -> str:
        """Returns the calls by outcome and the ends of the workers' logs, for a run that failed."""
        outcomes = Counter(call.outcome for call in self._proxy.calls)
        return f"calls: {dict(outcomes)}\n{self._stack.worker_logs()}"

    async def with_faults(self) -> tuple[list[Check], list[Call]]:
        """Runs the jobs, and kills a worker and then the server. Returns the checks and all calls."""
        async with await self._start_anew() as client:
            run = await submit(client, self._postings)
            await run.until(client, _WORKER_KILL_AT)
            worker_kill = time.monotonic()
            await asyncio.to_thread(self._stack.kill_worker)
            await asyncio.to_thread(self._stack.up)
            await run.until(client, max(_SERVER_KILL_AT, run.done_count + 10))
            kill = await self._kill_server()
            await run.finish(client)
        calls = self._proxy.calls
        own = await asyncio.to_thread(self._server.read_settled_tokens)
        later = [call for call in calls if call not in kill.answered and call not in kill.others]
        checks = [
            *check_items(run, outage_workers=WORKERS),
            check_broken_off(run, calls, worker_kill),
            check_usage(run, calls, self._items, worker_kill),
            check_server(
                "tokens: server until its kill",
                kill.tokens,
                kill.answered,
                [self._items[call.text] for call in kill.others],
            ),
            check_server("tokens: server from its restart", own, later),
        ]
        return checks, calls

    async def without_faults(self, sample: Sequence[Call]) -> list[Check]:
        """Runs the jobs with half of the postings between two plain loops, and returns the checks.

        Args:
            sample: Calls for the first plain loop.
        """
        first_loop = await self._loop(sample)
        async with await self._start_anew() as client:
            run = await submit(client, self._postings[: len(self._postings) // 2])
            await run.finish(client)
        calls = self._proxy.calls
        own = await asyncio.to_thread(self._server.read_settled_tokens)
        checks = [
            *check_items(run),
            check_broken_off(run, calls),
            check_usage(run, calls, self._items),
            check_server("tokens: server", own, calls),
        ]
        last_loop = await self._loop(calls)
        return [*checks, check_rate(calls_per_second(calls), [first_loop, last_loop], self._load)]

    async def _start_anew(self) -> Client:
        """Starts a server and a stack that know nothing of earlier runs."""
        await asyncio.to_thread(self._stack.clean)
        await asyncio.to_thread(self._server.restart)
        target = await asyncio.to_thread(self._stack.up)
        self._proxy.begin_record()
        return Client(target)

    async def _kill_server(self) -> _Kill:
        """Kills the server and starts it again some seconds later. Returns once it accepts connections."""
        answered = [call for call in self._proxy.calls if call.outcome == "answered"]
        tokens = await asyncio.to_thread(self._server.read_tokens)
        await asyncio.to_thread(self._server.kill)
        await self._proxy.close_port()
        others = [call for call in self._proxy.calls if call not in answered]
        await asyncio.sleep(_DOWN_SECONDS)
        self._server.start()
        await asyncio.to_thread(self._server.wait_listening)
        await self._proxy.open_port()  # it answers 503 now, while it loads the model
        return _Kill(tokens, answered, others)

    async def _loop(self, calls: Sequence[Call]) -> float:
        """Returns the calls per second of the plain loop with a new server."""
        await asyncio.to_thread(self._stack.clean)
        await asyncio.to_thread(self._server.restart)
        self._proxy.begin_record()
        await replay(self._proxy.url, calls)
        return calls_per_second(self._proxy.calls)
