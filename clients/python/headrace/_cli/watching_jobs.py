"""The command that watches many jobs."""

from collections import OrderedDict
from contextlib import aclosing
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.job_filters import KindFilter, LabelFilter, StateFilter, read_labels
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.output.event_views import WATCHED_JOBS
from headrace._cli.output.formats import Format, FormatOption, chosen_format
from headrace._cli.output.printing import Printer
from headrace._cli.process.streams import say
from headrace.client import Client
from headrace.resources import WatchedJob

_MAX_SHOWN = 10_000


@takes_call_options
def watch_jobs(
    options: CallOptions,
    *,
    state: StateFilter = None,
    kind: KindFilter = "",
    label: LabelFilter = None,
    resume_token: Annotated[
        str,
        typer.Option(
            "--resume-token", metavar="TOKEN", help="Continue after a line of an earlier watch with --json."
        ),
    ] = "",
    format: FormatOption = None,
) -> None:
    """Print the live jobs, then a line for each job that changes, until Ctrl-C.

    With --json and other formats for programs, counts of running jobs are printed too. A broken connection
    is resumed.
    """
    chosen = chosen_format(format, options.json)
    prints_all = not (chosen.is_table or chosen is Format.NAME)
    labels = read_labels(label)
    changes = _Changes()

    async def work(client: Client) -> int:
        watched = client.watch_jobs(
            labels, state or (), kind, resume_token=resume_token, on_reset=_say_that_changes_are_missing
        )
        async with aclosing(watched) as jobs:
            with Printer(WATCHED_JOBS, chosen) as printer:
                async for each in jobs:
                    if prints_all or changes.is_new(each):
                        printer.add_now(each)
        return DONE

    execute(options, work)


class _Changes:
    """Knows the changes that were printed last, so that progress prints no line."""

    def __init__(self) -> None:
        self._printed: OrderedDict[str, tuple[int, bool, bool]] = OrderedDict()

    def is_new(self, each: WatchedJob) -> bool:
        """Returns whether a job has changed since its last line, and notes it."""
        change = each.job.change_seq, each.left, each.deleted
        is_new = self._printed.get(each.job.job_id) != change
        self._printed[each.job.job_id] = change
        self._printed.move_to_end(each.job.job_id)
        if len(self._printed) > _MAX_SHOWN:
            self._printed.popitem(last=False)
        return is_new


def _say_that_changes_are_missing() -> None:
    say("changes may be missing: the token is too old, or the database was restored; see: headrace list")
