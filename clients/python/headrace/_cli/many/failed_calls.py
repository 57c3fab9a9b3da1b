"""Explains a call that failed for one of several jobs."""

from headrace._cli.execution import UNREACHABLE, error_lines, exit_code
from headrace._cli.options import CallOptions
from headrace._cli.process.streams import say
from headrace._cli.text import printable
from headrace.errors import HeadraceError


def note_failed_call(job_id: str, error: HeadraceError, options: CallOptions) -> int:
    """Prints an error with the id of its job to stderr, and returns its exit code.

    Raises:
        HeadraceError: No gateway can be reached, so that every other call would fail too.
    """
    code = exit_code(error)
    if code == UNREACHABLE:
        raise error
    first, *more = error_lines(error, options)
    say(first.replace("error: ", f"error: {printable(job_id)}: ", 1))
    for line in more:
        say(line)
    return code
