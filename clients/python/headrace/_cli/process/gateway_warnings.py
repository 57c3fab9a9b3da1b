"""Prints the warnings of a gateway about a submitted job to stderr."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from headrace._cli.process.streams import say
from headrace._cli.text import printable
from headrace._submitting.warnings_of_gateway import log


class _Printer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"warning: {printable(record.getMessage())}")


@contextmanager
def warnings_printed() -> Iterator[None]:
    """Prints what the client logs in its body."""
    printer = _Printer(logging.WARNING)
    log.addHandler(printer)
    try:
        yield
    finally:
        log.removeHandler(printer)
