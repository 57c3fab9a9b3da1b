"""The command that prints the completion of a shell."""

import os
from enum import StrEnum
from typing import Annotated

import typer
import typer.completion

from headrace._cli.text import echo

_PROGRAM = "headrace"
_VARIABLE = "_HEADRACE_COMPLETE"


class Shell(StrEnum):
    """A shell whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_choices=False)],
) -> None:
    """Print the completion of a shell: commands, options, their words, and ids of jobs and kinds.

    Words are completed without a gateway. Ids and kinds are asked for, for at most one second.
    """
    script = typer.completion.get_completion_script  # type: ignore[attr-defined]  # imported there
    echo(script(prog_name=_PROGRAM, complete_var=_VARIABLE, shell=shell))


def prepare_completion() -> None:
    """Lets a shell ask for completions, if one does. Typer would add options for this to every help."""
    if _VARIABLE in os.environ:
        typer.completion.completion_init()  # type: ignore[attr-defined]
