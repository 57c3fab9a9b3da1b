"""The command that shows live jobs and workers: once, or again and again on a terminal."""

import asyncio
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from headrace._cli.durations import read_duration
from headrace._cli.execution import DONE, error_lines, execute
from headrace._cli.json_lines import write_json_now
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.progress import moves_cursor
from headrace._cli.system.snapshots import SystemReader, SystemSnapshot
from headrace.client import Client
from headrace.errors import HeadraceError

_INTERVAL = timedelta(seconds=2)


@takes_call_options
def top(
    options: CallOptions,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one snapshot and exit.")] = False,
    interval: Annotated[
        timedelta | None,
        typer.Option(
            "--interval", parser=read_duration, metavar="TIME", help="Time between snapshots. Default: 2s."
        ),
    ] = None,
) -> None:
    """Show live jobs, workers, speed and spending. Refreshed on a terminal until Ctrl-C.

    A pipe gets one snapshot. Jobs are those of the tenant; workers serve all tenants.
    """
    pause = max((_INTERVAL if interval is None else interval).total_seconds(), 0.1)

    async def work(client: Client) -> int:
        reader = SystemReader(client)
        if options.json:
            write_json_now(_plain(await reader.read()))
        elif once or not moves_cursor(sys.stdout):
            _print(await reader.read(), client.target)
        else:
            await _refresh(reader, client.target, options, pause)
        return DONE

    execute(options, work)


async def _refresh(reader: SystemReader, target: str, options: CallOptions, pause: float) -> None:
    from headrace._cli.system.screen import Screen  # imports rich

    snapshot, fault = await reader.read(), ""  # without a gateway at the start, the command ends
    with Screen(target) as screen:
        while True:
            screen.show(snapshot, fault)
            await asyncio.sleep(pause)
            try:
                snapshot, fault = await reader.read(), ""
            except HeadraceError as error:
                fault = error_lines(error, options)[0]


def _print(snapshot: SystemSnapshot, target: str) -> None:
    from headrace._cli.system.screen import snapshot_text  # imports rich

    sys.stdout.write(snapshot_text(snapshot, target))
    sys.stdout.flush()


def _plain(snapshot: SystemSnapshot) -> dict[str, Any]:
    return {"time": snapshot.time, "jobs": snapshot.jobs, "workers": snapshot.workers}
