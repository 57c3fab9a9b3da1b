"""Runs a command on its own event loop, prints its errors to stderr, and returns an exit code."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from headrace._cli.options import CallOptions
from headrace._cli.text import echo, printable
from headrace.client import Client
from headrace.errors import (
    CancelledError,
    DeadlineExceededError,
    HeadraceError,
    InvalidArgumentError,
    UnavailableError,
)

DONE = 0
JOB_DID_NOT_SUCCEED = 1
BAD_USE = 2
UNREACHABLE = 3
SERVER_ERROR = 4
INTERRUPTED = 130


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
        echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_USE) from None
    except HeadraceError as error:
        for line in error_lines(error, options):
            echo(line, err=True)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(DONE) from None


async def _work_with_client(options: CallOptions, work: Callable[[Client], Awaitable[int]]) -> int:
    async with options.open_client() as client:
        code = await work(client)
    sys.stdout.flush()
    return code


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
        return [f"error: cannot reach a gateway at {target}: {printable(error.message)}"]
    listed = [f"{violation.field}: {violation.description}" for violation in error.violations]
    lines = [f"  {printable(line)}" for line in listed if line != error.message]
    return [f"error: {error.reason}: {printable(error.message)}", *lines]
