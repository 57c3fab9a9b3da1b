"""Reads the items of a job for the command line: the files of ``--items``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace._cli.execution import BadInputError
from headrace._cli.process.streams import say
from headrace._data.items import Items
from headrace._submitting.caller_items import CallerItems, read_in_thread
from headrace.errors import InvalidArgumentError


@contextmanager
def open_items(items: Items, path: str) -> Iterator[CallerItems]:
    """Yields items that are read in a thread, so that waiting for input does not block the loop.

    Args:
        items: Items of a file, a glob or stdin.
        path: The argument that names them.
    """
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        say("reading items from the terminal: a JSON value on each line; end with Ctrl-D")
    with read_in_thread(_usable(items)) as read:
        yield read


def _usable(items: Items) -> Iterator[Any]:
    """Yields items. An error of theirs is bad input of the user, with a line of its own."""
    try:
        yield from items
    except InvalidArgumentError as error:
        raise BadInputError(error.message) from None
