"""Runs the child process of a worker: ``python -m services.worker.items.quarantine FD PARENT_PID``."""

import asyncio
import os
import socket
import sys
from functools import partial

import uuid_utils

from headrace.kinds import installed_kinds
from services.shared.logging import configure_logging
from services.shared.prices import read_prices
from services.shared.setting_types import read_limits, read_tenant_concurrency
from services.stubs.worker.v1 import worker_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.allowance import Allowance
from services.worker.calls.cooldowns import open_cooldowns
from services.worker.calls.model_slots import open_model_slots
from services.worker.calls.outages import OutageBreaker, open_outages
from services.worker.calls.provider import open_provider
from services.worker.calls.rate_limits import open_rate_limits
from services.worker.calls.shared_slots.slots import SlotHolder
from services.worker.calls.tenant_slots import open_tenant_slots
from services.worker.items.attempts.item_outcome import ItemOutcome, fault_outcome
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.items.quarantine.frames import read_frame, write_frame
from services.worker.items.quarantine.limits import die_with_parent, limit_memory
from services.worker.items.quarantine.reports import report_of

SIGN_OF_LIFE_SECONDS = 5.0
CALL_LIMIT = 20
# The child counts as one of very many workers. If nothing is known of a tenant's other calls, it makes one at
# a time, alongside those of workers.
MANY = 1_000_000


class Child:
    """Runs the items that its worker sends, until the worker goes away.

    Args:
        runner: Makes the attempts.
        writer: Stream to the worker.
    """

    def __init__(self, runner: ItemRunner, writer: asyncio.StreamWriter) -> None:
        self._runner = runner
        self._writer = writer
        self._attempts: dict[int, asyncio.Task[ItemOutcome]] = {}

    def handle(self, request: worker_pb2.ChildRequest) -> None:
        """Starts or cancels an attempt, as requested."""
        if request.HasField("item"):
            wanted = request.item
            task = asyncio.create_task(self._runner.run(wanted.job, wanted.item, _allowance_of(wanted)))
            self._attempts[wanted.number] = task
            # Not reported by the task itself: cancelled before its first step, it would run none of its code.
            task.add_done_callback(partial(self._report, wanted))
        elif request.cancelled_number in self._attempts:
            self._attempts[request.cancelled_number].cancel()

    async def show_life(self) -> None:
        """Sends the worker an empty report every 5 s, which shows that the loop is running."""
        while True:
            write_frame(self._writer, worker_pb2.ChildReport())
            await asyncio.sleep(SIGN_OF_LIFE_SECONDS)

    def _report(self, wanted: worker_pb2.ChildItem, task: asyncio.Task[ItemOutcome]) -> None:
        del self._attempts[wanted.number]
        if task.cancelled():
            report = worker_pb2.ChildReport(cancelled=True, usage=wanted.item.usage)
        else:
            fault = task.exception()
            report = report_of(fault_outcome(wanted.job, wanted.item, fault) if fault else task.result())
        report.number = wanted.number
        write_frame(self._writer, report)


def _allowance_of(wanted: worker_pb2.ChildItem) -> Allowance | None:
    if not wanted.HasField("allowance_micros"):
        return None
    return Allowance(wanted.allowance_micros, is_remainder=wanted.is_remainder)


def _make_runner(setup: worker_pb2.ChildSetup) -> ItemRunner:
    provider = open_provider(CALL_LIMIT, os.environ.get("HEADRACE_PROVIDER_PROFILES") or None)
    limits, holder = read_limits(setup.limits), str(uuid_utils.uuid7())
    admission = CallAdmission(
        provider,
        open_cooldowns(setup.redis_url),
        CALL_LIMIT,
        limits=open_rate_limits(limits, setup.redis_url),
        tenants=open_tenant_slots(
            read_tenant_concurrency(setup.tenant_concurrency),
            setup.redis_url,
            holder,
            CALL_LIMIT,
            worker_count=lambda: MANY,
        ),
        model_slots=open_model_slots(
            limits,
            setup.redis_url,
            SlotHolder(holder, CALL_LIMIT),
            provider.name,
            worker_count=lambda: MANY,
        ),
        outages=OutageBreaker(open_outages(setup.redis_url)),
    )
    return ItemRunner(
        installed_kinds(),
        admission,
        setup.model,
        prices=read_prices(setup.prices_file or None),
        form_of=provider.form_of,
    )


async def run(descriptor: int) -> None:
    """Serves the worker at the other end of a socket, and ends the process at once when it is closed."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    setup = (await read_frame(reader, worker_pb2.ChildRequest)).setup
    configure_logging("worker", setup.log_level)
    runner = _make_runner(setup)
    limit_memory(setup.memory_bytes)
    child = Child(runner, writer)
    life = asyncio.create_task(child.show_life())
    try:
        while not life.done():
            child.handle(await read_frame(reader, worker_pb2.ChildRequest))
    except (asyncio.IncompleteReadError, ConnectionError):
        os._exit(0)  # nobody needs the attempts under way, and they may refuse to be cancelled


def main() -> None:
    """Ties the process's life to that of its worker, and runs it."""
    die_with_parent(int(sys.argv[2]))
    asyncio.run(run(int(sys.argv[1])))


if __name__ == "__main__":
    main()
