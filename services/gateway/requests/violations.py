"""Collecting all that is wrong with a request, to say it at once."""

from headrace.errors import FieldViolation, InvalidArgumentError

_MAX_LISTED = 20
# Statuses travel in HTTP/2 trailers, of which peers take 8 KB.
_MAX_LISTED_BYTES = 3_000
_MAX_DESCRIPTION_LENGTH = 300
_MAX_FIELD_LENGTH = 100

INVALID_FIELD = "INVALID_FIELD"


class Violations:
    """What is wrong with a request: the first 20 are kept, the others counted."""

    def __init__(self) -> None:
        self._listed: list[FieldViolation] = []
        self._listed_bytes = 0
        self._told: FieldViolation | None = None
        self._reason = INVALID_FIELD
        self._count = 0

    def add(self, field: str, description: str, reason: str = INVALID_FIELD) -> None:
        """Notes a field that is wrong.

        The error's reason and message are those of the first violation with a reason of its own, or else of
        the first.
        """
        self._count += 1
        violation = FieldViolation(
            _shortened(field, _MAX_FIELD_LENGTH), _shortened(description, _MAX_DESCRIPTION_LENGTH)
        )
        if self._told is None or self._reason == INVALID_FIELD != reason:
            self._told, self._reason = violation, reason
        size = self._listed_bytes + len(f"{violation.field}{violation.description}".encode())
        if len(self._listed) < _MAX_LISTED and size <= _MAX_LISTED_BYTES:
            self._listed.append(violation)
            self._listed_bytes = size

    def names(self, field: str) -> bool:
        """Returns whether something is wrong with this field, as far as it is listed."""
        return any(violation.field == field for violation in self._listed)

    def add_error(self, error: InvalidArgumentError, field: str) -> None:
        """Notes what another check found; ``field`` is named where the error names none."""
        for violation in error.violations or (FieldViolation(field, error.message),):
            self.add(violation.field, violation.description, error.reason)

    def raise_if_any(self) -> None:
        """Ends the checks: nothing happens if nothing was wrong.

        Raises:
            InvalidArgumentError: Something was. The last violation of a shortened list has no field and
                says how many more there are.
        """
        if self._told is None:
            return
        listed = list(self._listed)
        message = f"{self._told.field}: {self._told.description}"
        if self._count > 1:
            message += f" (and {self._count - 1:,} more)"
        if self._count > len(listed):
            listed.append(FieldViolation("", f"and {self._count - len(listed):,} more"))
        raise InvalidArgumentError(message, reason=self._reason, violations=listed)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
