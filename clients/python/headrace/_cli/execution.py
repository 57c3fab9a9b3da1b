"""Runs a command on its own event loop, prints its errors to stderr, and returns an exit code."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import typer

from headrace._cli.options import CallOptions
from headrace._cli.process.gateway_warnings import warnings_printed
from headrace._cli.process.streams import drop_broken_streams, interrupted_code, say
from headrace._cli.process.unreachable import explain, explain_unknown_call
from headrace._cli.text import printable
from headrace.client import Client
from headrace.errors import (
    CancelledError,
    DeadlineExceededError,
    HeadraceError,
    InvalidArgumentError,
    UnavailableError,
    UnimplementedError,
)

DONE = 0
JOB_DID_NOT_SUCCEED = 1
BAD_USE = 2
UNREACHABLE = 3
SERVER_ERROR = 4
UNWRITABLE = 5


class BadInputError(Exception):
    """Input of the user cannot be used. The message is one line with the fault and its place."""


def execute(options: CallOptions, work: Callable[[Client], Awaitable[int]]) -> NoReturn:
    """Runs a command's work with a client, and exits with the code that it returns."""
    with errors_printed(options):
        code = asyncio.run(_work_with_client(options, work))
    raise typer.Exit(code)


@contextmanager
def errors_printed(options: CallOptions) -> Iterator[None]:
    """Prints errors of its body to stderr, and exits with the code for the error."""
    try:
        yield
    except BadInputError as error:
        say(f"error: {error}")
        raise typer.Exit(BAD_USE) from None
    except HeadraceError as error:
        for line in error_lines(error, options):
            say(line)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(interrupted_code()) from None
    except BrokenPipeError:  # the reader of the output needs no more
        raise typer.Exit(DONE) from None


def run_application(arguments: Sequence[str]) -> int:
    """Runs the command line, and returns its exit code. All output is written, or named as unwritable."""
    try:
        code = _exit_code_of_application(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output needs no more
        code = DONE
    except OSError as error:
        say(f"error: cannot write the output: {error.strerror or error}")
        code = UNWRITABLE
    drop_broken_streams()
    return code


def _exit_code_of_application(arguments: Sequence[str]) -> int:
    from headrace._cli.app import app
    from headrace._cli.completing.completion import prepare_completion

    try:
        prepare_completion()
        app(list(arguments), prog_name="headrace")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except KeyboardInterrupt:
        return interrupted_code()
    return DONE


async def _work_with_client(options: CallOptions, work: Callable[[Client], Awaitable[int]]) -> int:
    with warnings_printed():
        async with options.open_client() as client:
            return await work(client)


def exit_code(error: HeadraceError) -> int:
    """Returns the exit code for an error of a call."""
    if error.answered:
        return SERVER_ERROR
    if isinstance(error, (UnavailableError, DeadlineExceededError, CancelledError)):
        return UNREACHABLE
    return BAD_USE if isinstance(error, InvalidArgumentError) else SERVER_ERROR


def error_lines(error: HeadraceError, options: CallOptions) -> list[str]:
    """Returns the lines of an error: reason and message, then one line for each wrong field."""
    if exit_code(error) == UNREACHABLE:
        target = options.open_client().target
        return [f"error: cannot reach a gateway at {printable(target)}: {explain(printable(error.message))}"]
    if isinstance(error, UnimplementedError):
        return [f"error: {error.reason}: {explain_unknown_call(printable(error.message))}"]
    listed = [f"{violation.field}: {violation.description}" for violation in error.violations]
    lines = [f"  {printable(line)}" for line in listed if line != error.message]
    if not error.answered and isinstance(error, InvalidArgumentError):
        lines = [line for line in lines if line.strip().replace(": ", " ", 1) != error.message]
    return [f"error: {error.reason}: {printable(error.message)}", *lines]
