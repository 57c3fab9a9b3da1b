"""Flags that select jobs, and the labels and instants in them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from headrace._cli.completing.values import complete_kinds, complete_states
from headrace._cli.durations import read_duration


def read_instant(text: str) -> datetime:
    """Returns an instant: ISO 8601, or a duration such as 2h for that long ago.

    A time without an offset is local.

    Raises:
        typer.BadParameter: The text is neither.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - read_duration(text)
    except (typer.BadParameter, OverflowError):
        raise typer.BadParameter(
            "not a time: write 2030-01-31, 2030-01-31T18:00, 2030-01-31T18:00:00+00:00, or 2h for 2 hours ago"
        ) from None


def read_labels(pairs: Iterable[str] | None) -> dict[str, str]:
    """Returns labels given as KEY=VALUE.

    Raises:
        typer.BadParameter: A text has no key or no ``=``, or two of them name one key.
    """
    labels: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="'--label'")
        if labels.setdefault(key, value) != value:
            raise typer.BadParameter(f"the key {key!r} has two values", param_hint="'--label'")
    return labels


LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Label of the job. Repeatable."),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name of the job for people. Need not be unique."),
]
StateFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Only jobs in this state. Repeatable.",
        autocompletion=complete_states,
    ),
]
KindFilter = Annotated[
    str,
    typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.", autocompletion=complete_kinds),
]
LabelFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="KEY=VALUE", help="Only jobs with this label. Repeatable: with all of them."
    ),
]
NameFilter = Annotated[str, typer.Option("--name", metavar="NAME", help="Only jobs of this name.")]
SinceFilter = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=read_instant,
        metavar="TIME",
        help="Only jobs created since: 2h for 2 hours ago, or 2030-01-31T18:00.",
    ),
]
FinishedSinceFilter = Annotated[
    datetime | None,
    typer.Option(
        "--finished-since",
        parser=read_instant,
        metavar="TIME",
        help="Only jobs that ended since: 2h for 2 hours ago, or 2030-01-31T18:00.",
    ),
]
