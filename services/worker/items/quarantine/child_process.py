"""The worker's end of its child process."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from itertools import count

from google.protobuf.message import DecodeError

from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2
from services.worker.calls.allowance import Allowance
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.quarantine.frames import read_frame, write_frame
from services.worker.items.quarantine.reports import outcome_of

log = get_logger(__name__)

# Time that a child gets to become ready, in seconds.
READY_SECONDS = 60.0
# A child that stays silent for this time twice in a row is stuck, in seconds; it shows life every 5 s. Twice,
# because a worker that was frozen itself sees the timeout before it sees the reports that arrived meanwhile.
SILENCE_SECONDS = 15.0
# Time that a cancelled attempt gets to end, in seconds; then the child is killed.
CANCEL_SECONDS = 2.0
# Time that the last reports of a dead child get to arrive, in seconds.
LAST_WORDS_SECONDS = 1.0


class ChildDiedError(Exception):
    """The child process died, or was stuck, while the item was in flight in it."""


class ChildNotStartedError(Exception):
    """The child process could not be started, or died before it could accept an item."""


class ChildProcess:
    """One child process, which runs items until it dies or is closed.

    It is a new program, not a fork: a process with gRPC threads must not be forked.

    Args:
        setup: Settings of the child.

    Attributes:
        is_dead: Whether it accepts no more items.
    """

    def __init__(self, setup: worker_pb2.ChildSetup) -> None:
        self._setup = setup
        self._numbers = count(1)
        self._attempts: dict[int, asyncio.Future[worker_pb2.ChildReport]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._watch: asyncio.Task[None] | None = None
        self.is_dead = False

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Starts the process and waits until it is ready.

        Raises:
            ChildNotStartedError: It cannot be started, or does not become ready.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "services.worker.items.quarantine",
                    str(theirs.fileno()),
                    str(os.getpid()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                )
            except OSError as error:
                ours.close()
                raise ChildNotStartedError(type(error).__name__) from None
        reader, self._writer = await asyncio.open_connection(sock=ours)
        write_frame(self._writer, worker_pb2.ChildRequest(setup=self._setup))
        try:
            await asyncio.wait_for(read_frame(reader, worker_pb2.ChildReport), READY_SECONDS)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, DecodeError):
            await self.close()
            raise ChildNotStartedError(f"exit code {self._process.returncode}") from None
        self._watch = asyncio.create_task(self._watch_over(reader, self._process), name="child_process")

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None = None
    ) -> ItemOutcome:
        """Makes one attempt of an item in the child, which gets the whole rest of the allowance meanwhile.

        Raises:
            ChildDiedError: The child died during the attempt.
            ChildNotStartedError: The child was dead before.
            asyncio.CancelledError: The attempt was cancelled. It has ended in the child, or the child has
                ended. Its usage, as far as the child reported it, is added to the item.
        """
        if self.is_dead or self._writer is None:
            raise ChildNotStartedError
        number = next(self._numbers)
        ended = self._attempts[number] = asyncio.get_running_loop().create_future()
        wanted = worker_pb2.ChildItem(number=number, job=spec, item=item)
        cost_before, lent, usage = item.usage.cost_micros, 0, item.usage
        if allowance is not None:
            lent = wanted.allowance_micros = allowance.lend()
            wanted.is_remainder = allowance.is_remainder
        write_frame(self._writer, worker_pb2.ChildRequest(item=wanted))
        try:
            await asyncio.wait([ended])
            usage = ended.result().usage
        except asyncio.CancelledError:
            await self._cancel(number, ended)
            if ended.done() and not ended.cancelled() and ended.exception() is None:
                item.usage.CopyFrom(ended.result().usage)
            raise
        finally:
            del self._attempts[number]
            if allowance is not None:
                allowance.settle(lent, usage.cost_micros - cost_before)
        report = ended.result()
        if report.cancelled:
            raise ChildDiedError  # nobody requested it: something else is shutting the child down
        return outcome_of(report)

    async def close(self) -> None:
        """Ends the process at once."""
        self.is_dead = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            _kill(self._process)
            await self._process.wait()
        if self._watch is not None:
            await self._watch

    async def _cancel(self, number: int, ended: asyncio.Future[worker_pb2.ChildReport]) -> None:
        assert self._writer is not None
        assert self._process is not None
        write_frame(self._writer, worker_pb2.ChildRequest(cancelled_number=number))
        await asyncio.wait([ended], timeout=CANCEL_SECONDS)
        if not ended.done():
            log.warning("quarantine_child_stuck", pid=self.pid)
            self.is_dead = True  # accepts no more items
            _kill(self._process)
        elif not ended.cancelled():
            ended.exception()  # marks it as retrieved

    async def _watch_over(self, reader: asyncio.StreamReader, process: asyncio.subprocess.Process) -> None:
        reading = asyncio.create_task(self._read(reader))
        exiting = asyncio.create_task(process.wait())
        await asyncio.wait([reading, exiting], return_when=asyncio.FIRST_COMPLETED)
        is_expected, self.is_dead = self.is_dead, True
        await asyncio.wait([reading, exiting], timeout=LAST_WORDS_SECONDS)
        reading.cancel()
        if not exiting.done():
            _kill(process)
        await exiting
        if not is_expected:
            log.warning("quarantine_child_died", pid=process.pid, exit_code=process.returncode)
        assert self._writer is not None
        self._writer.close()
        for ended in self._attempts.values():
            if not ended.done():
                ended.set_exception(ChildDiedError())

    async def _read(self, reader: asyncio.StreamReader) -> None:
        silence_count = 0
        reading = asyncio.create_task(read_frame(reader, worker_pb2.ChildReport))
        try:
            while silence_count < 2:
                await asyncio.wait([reading], timeout=SILENCE_SECONDS)
                if not reading.done():
                    silence_count += 1
                    continue
                silence_count = 0
                self._settle(reading.result())
                reading = asyncio.create_task(read_frame(reader, worker_pb2.ChildReport))
            log.warning("quarantine_child_stuck", pid=self.pid)
        except (asyncio.IncompleteReadError, ConnectionError, DecodeError):
            pass  # it is gone, or its reports are unreadable
        finally:
            reading.cancel()

    def _settle(self, report: worker_pb2.ChildReport) -> None:
        ended = self._attempts.get(report.number)
        if ended is not None and not ended.done():
            ended.set_result(report)


def _kill(process: asyncio.subprocess.Process) -> None:
    # Not process.kill(): it may consume the exit code that the loop waits for.
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
