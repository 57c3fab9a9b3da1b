"""The standard streams of the command: closed ones, full ones, and ones whose reader is gone."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import typer

_STREAMS = 3
_interrupted_by = signal.SIGINT


def prepare_streams() -> None:
    """Replaces closed standard streams, so that no other file gets their numbers, and accepts all characters.

    A stream whose encoding lacks a character gets its escape instead.
    """
    for number in range(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open until the process ends
        else:
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Prints a line to stderr. Nothing happens if it cannot be written."""
    with suppress(OSError):
        typer.echo(line, err=True)


@contextmanager
def interruption_explained(line: str) -> Iterator[None]:
    """Prints a line to stderr if its body is interrupted."""
    try:
        yield
    except asyncio.CancelledError:
        say(line)
        raise


def drop_broken_streams() -> None:
    """Sends the output that is left to nowhere, where the reader of a stream is gone or its disk full.

    Python would fail to flush it at exit, and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            is_broken = _has_no_reader(stream.fileno())
        except (OSError, ValueError):
            is_broken = True
        if is_broken:
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _has_no_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def treat_signals_alike() -> None:
    """Makes SIGTERM end a command like Ctrl-C, which tells the user how to continue."""
    # A script that starts us in the background ignores SIGINT for us, and then could not make us detach.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    global _interrupted_by
    _interrupted_by = signal.SIGTERM
    handler = signal.getsignal(signal.SIGINT)  # asyncio's own while a call runs
    if callable(handler):
        handler(signal.SIGINT, frame)


def interrupted_code() -> int:
    """Returns the exit code of an interrupted command: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _interrupted_by
