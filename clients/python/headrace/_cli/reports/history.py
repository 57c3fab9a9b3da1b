"""The command that shows what happened to a job."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.output.event_views import HISTORY
from headrace._cli.output.formats import LinesFormatOption, asked_format
from headrace._cli.output.printing import Printer
from headrace._cli.text import echo, instant, printable
from headrace.client import Client
from headrace.resources import JobHistoryEvent

# Some events, such as a lost worker, change no snapshot. So the history is read again at least this often.
POLL_SECONDS = 2.0


@takes_call_options
def logs(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Continue with what happens until the job has ended."),
    ] = False,
    format: LinesFormatOption = None,
) -> None:
    """Show what happened to a job: its states, pauses, outages, lost workers, retries, and who did it.

    A line each, oldest first: the time, the event, its details, and who caused it.
    """
    chosen = asked_format(format, options.json)

    async def work(client: Client) -> int:
        if chosen is None:
            await print_log(client, HistoryLog(client, job_id, lambda event: echo(event_line(event))))
        else:
            with Printer(HISTORY, chosen) as printer:
                print_event = printer.add_now if follow else printer.add
                await print_log(client, HistoryLog(client, job_id, print_event))
        return DONE

    async def print_log(client: Client, log: HistoryLog) -> None:
        await log.print_new()
        if follow:
            await _follow(client, job_id, log)

    execute(options, work)


class HistoryLog:
    """Prints the events of a job, each once.

    Args:
        client: The client.
        job_id: UUID of the job.
        print_event: Function that prints an event.
    """

    def __init__(self, client: Client, job_id: str, print_event: Callable[[JobHistoryEvent], object]) -> None:
        self._client = client
        self._job_id = job_id
        self._print_event = print_event
        self._last_number = -1

    async def print_new(self) -> None:
        """Prints the events since the last call."""
        async with aclosing(self._client.history(self._job_id)) as events:
            async for event in events:
                if event.number > self._last_number:
                    self._last_number = event.number
                    self._print_event(event)


def event_line(event: JobHistoryEvent) -> str:
    """Returns an event as a line."""
    line = f"{instant(event.event_time)}  {event.change:11}"
    if event.message:
        line += f"  {printable(event.message)}"
    if event.actor:
        line += f"  [{printable(event.actor)}]"
    if event.count > 1:
        line += f"  ({event.count:,} times until {instant(event.last_event_time)})"
    return line.rstrip()


async def _follow(client: Client, job_id: str, log: HistoryLog) -> None:
    changed = asyncio.Event()
    watching = asyncio.create_task(_watch(client, job_id, changed))
    watching.add_done_callback(lambda _: changed.set())
    try:
        while not watching.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), POLL_SECONDS)
            changed.clear()
            await log.print_new()
        await watching
        await log.print_new()
    finally:
        watching.cancel()


async def _watch(client: Client, job_id: str, changed: asyncio.Event) -> None:
    """Watches a job to its end, and sets an event whenever its history has probably grown."""
    before = None
    async with aclosing(client.watch(job_id)) as events:
        async for event in events:
            job = event.job
            notable = (job.state, job.pause_reason, job.start_time, job.budget_micros)
            if notable != before:
                before = notable
                changed.set()
