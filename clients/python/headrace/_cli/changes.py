"""Commands that change or delete jobs."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from headrace._cli.dollars import read_dollars
from headrace._cli.durations import read_duration
from headrace._cli.execution import DONE, BadInputError, errors_printed, execute
from headrace._cli.job_filters import read_labels
from headrace._cli.many.failed_calls import note_failed_call
from headrace._cli.many.several_jobs import print_jobs
from headrace._cli.options import CallOptions, JobIdArgument, JobIdsArgument, takes_call_options
from headrace._cli.output.formats import FormatOption
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import echo, printable
from headrace.client import Client
from headrace.errors import HeadraceError

# Names of --clear, and the changes that they stand for.
_CLEARED = {
    "name": "name",
    "labels": "labels",
    "class": "job_class",
    "max-parallelism": "max_parallelism",
    "budget": "budget_micros",
    "job-timeout": "job_timeout",
    "retention": "retention",
}


@takes_call_options
def update(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="New name.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", metavar="KEY=VALUE", help="Label. Repeatable: together they replace all labels."
        ),
    ] = None,
    job_class: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="New class: interactive, default or bulk."),
    ] = None,
    max_parallelism: Annotated[
        int | None,
        typer.Option(
            "--max-parallelism", metavar="COUNT", min=1, max=2**31 - 1, help="New limit on leased chunks."
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            parser=read_dollars,
            metavar="DOLLARS",
            help="New budget in US dollars, with what is already spent.",
        ),
    ] = None,
    job_timeout: Annotated[
        timedelta | None,
        typer.Option("--job-timeout", parser=read_duration, metavar="TIME", help="New time for the job: 2h."),
    ] = None,
    retention: Annotated[
        timedelta | None,
        typer.Option(
            "--retention", parser=read_duration, metavar="TIME", help="New time to keep the job: 7d."
        ),
    ] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option("--clear", metavar="FIELD", help=f"Field to clear: {', '.join(_CLEARED)}. Repeatable."),
    ] = None,
    if_change_seq: Annotated[
        int | None,
        typer.Option(
            "--if-change-seq",
            metavar="NUMBER",
            min=1,
            help="Fail if the job has changed since the snapshot with this change_seq.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Also resume the job if it is paused for its budget.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Change a job. A job that has ended takes a name, labels and a retention only."""
    given: dict[str, Any] = {
        "name": name,
        "job_class": job_class,
        "max_parallelism": max_parallelism,
        "budget_micros": budget,
        "job_timeout": job_timeout,
        "retention": retention,
    }
    with errors_printed(options):
        changes: Any = {field: value for field, value in given.items() if value is not None}
        if label:
            changes["labels"] = read_labels(label)
        changes |= dict.fromkeys(map(_cleared, clear or ()))
        if not changes and not resume:
            raise BadInputError("nothing to change: give a new value, --clear FIELD or --resume")
    print_jobs(
        options,
        format,
        (job_id,),
        lambda client, each: client.update(each, if_change_seq=if_change_seq, resume=resume, **changes),
        changes=True,
    )


@takes_call_options
def delete(
    options: CallOptions,
    *,
    job_ids: JobIdsArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Also delete jobs that have not ended. They are cancelled first.")
    ] = False,
) -> None:
    """Delete jobs with their items and results. Their usage still counts."""

    async def work(client: Client) -> int:
        code = DONE
        for job_id in job_ids:
            try:
                with interruption_explained(
                    f"interrupted; to see whether it took effect: headrace get {job_id}"
                ):
                    await client.delete(job_id, force=force)
            except HeadraceError as error:
                if len(job_ids) == 1:
                    raise
                failed = note_failed_call(job_id, error, options)
                code = code or failed
            else:
                if not options.json:
                    echo(f"deleted {printable(job_id)}", err=True)
        return code

    execute(options, work)


def _cleared(name: str) -> str:
    if name not in _CLEARED:
        raise BadInputError(f"--clear {name}: not a field that can be cleared; use {', '.join(_CLEARED)}")
    return _CLEARED[name]
