"""The reference of the command line, from its own help texts."""

from collections.abc import Iterator
from typing import Any

import typer.main

from headrace._cli.app import app

_NOTE = "<!-- Made from the help of the command line by `make reference`; change it in clients/python/. -->"
_INTRODUCTION = (
    "`pip install 'headrace[cli]'` installs the command `headrace`. [A tour](command-line.md) shows its use, "
    "and the [README of the client](../clients/python/README.md#command-line) has its rules."
)
_WIDTH = 100


def cli_page() -> str:
    """Returns the page as Markdown."""
    return "\n\n".join(["# Command line", _NOTE, _INTRODUCTION, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    yield from _help(group, "headrace", None)
    parent = _context(group, "headrace", None)
    for name, command in group.commands.items():
        yield from _help(command, name, parent)


def _help(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = _context(command, name, parent)
    yield f"## {context.command_path}"
    yield f"```text\n{command.get_help(context)}\n```"


def _context(command: Any, name: str, parent: Any) -> Any:
    return command.context_class(
        command, info_name=name, parent=parent, terminal_width=_WIDTH, help_option_names=["-h", "--help"]
    )
