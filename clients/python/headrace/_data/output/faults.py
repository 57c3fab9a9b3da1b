"""Errors of writing results."""

from headrace.errors import FieldViolation, InvalidArgumentError


def refused(field: str, problem: str) -> InvalidArgumentError:
    """Returns the error of a wrong argument, with the remedy in its text."""
    return InvalidArgumentError(f"{field}: {problem}", violations=[FieldViolation(field, problem)])


def missing_library(purpose: str, library: str, extra: str) -> InvalidArgumentError:
    """Returns the error of a library that is not installed."""
    return refused("format", f"{purpose} needs {library}: pip install 'headrace[{extra}]'")
