"""The flags for job options, written once for every command that takes them."""

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypedDict, get_type_hints

import typer

from headrace._cli.completing.values import complete_classes
from headrace._cli.dollars import read_dollars
from headrace._cli.durations import read_duration

BudgetOption = Annotated[
    int | None,
    typer.Option(
        "--budget",
        parser=read_dollars,
        metavar="DOLLARS",
        help="Most that the job may cost, in US dollars, such as 5 or 0.25. The job pauses when it is spent.",
    ),
]


class JobFlags(TypedDict, total=False):
    """The flag of each job option, under the name of the option."""

    job_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Class to queue in: interactive, default or bulk. Default: default.",
            autocompletion=complete_classes,
        ),
    ]
    max_failed_ratio: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="FRACTION",
            help="Largest fraction of items that may fail before the job does. Default: 0.5.",
        ),
    ]
    max_parallelism: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**31 - 1,
            metavar="COUNT",
            help="Maximum chunks of the job leased at the same time. Default: no limit.",
        ),
    ]
    schedule_time: Annotated[
        datetime | None,
        typer.Option(
            metavar="INSTANT",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"],
            help="Earliest start, with an offset: 2030-01-31T18:00:00+00:00. Default: at once.",
        ),
    ]
    job_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_duration,
            metavar="TIME",
            help="Time for the whole job, then it expires: 90s, 15m, 2h, 7d. Default: no deadline.",
        ),
    ]
    item_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_duration,
            metavar="TIME",
            help="Working time for one item over all its attempts, then it fails. Default: no deadline.",
        ),
    ]
    call_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_duration,
            metavar="TIME",
            help="Time for one call to the provider, then it is cancelled and retried. Default: 120s.",
        ),
    ]
    cache_responses: Annotated[
        bool | None,
        typer.Option(
            "--cache-responses",
            help="Reuse responses to equal calls that the tenant's jobs with this flag made in the last day.",
        ),
    ]
    budget_micros: BudgetOption
    trial_count: Annotated[
        int | None,
        typer.Option(
            "--trial",
            min=1,
            metavar="COUNT",
            help="Run this number of items first, then pause with the expected cost of all.",
        ),
    ]
    retention: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_duration,
            metavar="TIME",
            help="Time to keep the job after its end: 15m, 12h, 7d. Default: as the server is set.",
        ),
    ]


def takes_job_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Shows ``JobFlags`` after the options of a command. Its ``**options`` receive their values."""
    signature = inspect.signature(command)
    *own, options = signature.parameters.values()
    assert options.kind is inspect.Parameter.VAR_KEYWORD
    flags = get_type_hints(JobFlags, include_extras=True).items()
    shown = [*own, *(_flag(name, annotation) for name, annotation in flags)]
    command.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return command


def _flag(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
