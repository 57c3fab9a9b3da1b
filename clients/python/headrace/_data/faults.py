"""Errors of the data that a job is made of."""

from headrace.errors import FieldViolation, InvalidArgumentError


def invalid_data(problem: str) -> InvalidArgumentError:
    """Returns the error of data that cannot become items.

    Args:
        problem: One line with the file, the row and the column, the fault and the remedy.
    """
    return InvalidArgumentError(problem, violations=[FieldViolation("items", problem)])
