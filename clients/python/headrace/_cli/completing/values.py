"""Values that a shell completes: ids and kinds of the gateway, and words that need none.

A gateway that does not answer within a second completes nothing.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import typer

from headrace._cli.text import printable
from headrace.errors import HeadraceError
from headrace.resources import JobClass, JobState

_PATIENCE_SECONDS = 1.0
_JOB_COUNT = 50
_WIDTH = 70


def complete_job_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Returns the ids of the newest jobs with their kind and state, without those on the line already."""

    async def read(client: Any) -> list[tuple[str, str]]:
        found = []
        async for job in client.list(page_size=_JOB_COUNT):
            found.append((job.job_id, f"{printable(job.kind)} {job.state}"))
            if len(found) == _JOB_COUNT:
                break
        return found

    given = context.params.get("job_ids") or ()
    return [each for each in _ask(context, read) if each[0].startswith(incomplete) and each[0] not in given]


def complete_kinds(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Returns the kinds with their descriptions: those of the gateway, or else those of Headrace."""

    async def read(client: Any) -> list[tuple[str, str]]:
        return [(kind.name, _first_sentence(kind.description)) for kind in await client.kinds()]

    return [each for each in _ask(context, read) or _own_kinds() if each[0].startswith(incomplete)]


def complete_states(incomplete: str) -> list[str]:
    """Returns the states of jobs."""
    return _words(incomplete, JobState)


def complete_classes(incomplete: str) -> list[str]:
    """Returns the classes of jobs."""
    return _words(incomplete, JobClass)


def _words(incomplete: str, words: type[JobState] | type[JobClass]) -> list[str]:
    names = [word.lower() for word in words if word != "UNSPECIFIED"]
    return [name for name in names if name.startswith(incomplete.lower())]


def _own_kinds() -> Sequence[tuple[str, str]]:
    from headrace.kinds import builtin_kinds  # imports pydantic

    return [(kind.name, _first_sentence(kind.description)) for kind in builtin_kinds().values()]


def _first_sentence(description: str) -> str:
    """Returns the beginning of a description that fits next to a word. Typer would wrap a longer one."""
    return printable(description).partition(". ")[0].partition(": ")[0].removesuffix(".")[:_WIDTH]


def _ask(
    context: typer.Context, read: Callable[[Any], Awaitable[list[tuple[str, str]]]]
) -> list[tuple[str, str]]:
    from headrace.client import Client

    given = {**(context.parent.params if context.parent else {}), **_set(context.params)}

    async def ask() -> list[tuple[str, str]]:
        async with Client(given.get("target"), given.get("tenant"), timeout=_PATIENCE_SECONDS) as client:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await read(client)

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        found = asyncio.run(ask())
        return [(word, text) for word, text in found if word.isprintable() and " " not in word]
    except (HeadraceError, OSError, TimeoutError):
        return []


def _set(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
