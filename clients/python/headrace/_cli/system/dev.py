"""The command that runs a whole system in one process, for development."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from headrace._cli.execution import BAD_USE
from headrace._cli.process.streams import say

# A distribution that brings a whole system offers it under this group, as ``dev``.
_GROUP = "headrace.commands"
_MISSING = "error: the services are not installed; `headrace dev` needs: pip install headrace-services"

Serve = Callable[[Path, str | None], int]


def dev(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FOLDER", help="Folder of the database. It is created if missing."),
    ] = Path(".headrace"),
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Address of the gateway; port 0 takes a free one. Default: HEADRACE_LISTEN, or "
            "127.0.0.1:50051.",
        ),
    ] = None,
) -> None:
    """Run gateway, worker and store in one process until Ctrl-C, without other servers.

    Without OPENAI_API_KEY and OPENAI_BASE_URL, calls go to a stand-in: a small server that answers by keyword
    rules. It is not a language model, and costs nothing.
    """
    serve = find_system()
    if serve is None:
        say(_MISSING)
        raise typer.Exit(BAD_USE)
    sys.stdout.flush()
    raise typer.Exit(serve(data, listen))


def find_system() -> Serve | None:
    """Returns the function that serves a system, or None if no installed distribution has one."""
    found = next(iter(entry_points(group=_GROUP, name="dev")), None)
    if found is None:
        return None
    serve: Serve = found.load()
    return serve
