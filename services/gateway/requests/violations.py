"""Collects every violation of a request, so that one error names them all."""

import re
from collections.abc import Mapping

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.reasons import ErrorReason

_MAX_LISTED = 20
# Statuses travel in HTTP/2 trailers, and peers accept 8 KB of these.
_MAX_LISTED_BYTES = 3_000
_MAX_DESCRIPTION_LENGTH = 300
_MAX_FIELD_LENGTH = 100
_OTHERS = re.compile(r"and ([\d,]+) more")


class Violations:
    """Violations of one request: the first 20 are listed, the others counted."""

    def __init__(self) -> None:
        self._listed: list[FieldViolation] = []
        self._listed_bytes = 0
        self._headline: FieldViolation | None = None
        self._reason: str = ErrorReason.INVALID_FIELD
        self._metadata: Mapping[str, str] = {}
        self._count = 0
        self._stopped = False

    @property
    def is_full(self) -> bool:
        """Whether 20 violations or more are known. No more need to be looked for."""
        return self._count >= _MAX_LISTED

    def stop(self) -> None:
        """Notes that the rest of the request was not checked."""
        self._stopped = True

    def add(
        self,
        field: str,
        description: str,
        reason: str = ErrorReason.INVALID_FIELD,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Adds a wrong field.

        The error takes its reason, metadata and message from the first violation whose reason is not
        INVALID_FIELD, or else from the first one.
        """
        self._count += 1
        violation = FieldViolation(
            _shortened(field, _MAX_FIELD_LENGTH), _shortened(description, _MAX_DESCRIPTION_LENGTH)
        )
        if self._headline is None or self._reason == ErrorReason.INVALID_FIELD != reason:
            self._headline, self._reason, self._metadata = violation, reason, metadata or {}
        size = self._listed_bytes + len(f"{violation.field}{violation.description}".encode())
        if len(self._listed) < _MAX_LISTED and size <= _MAX_LISTED_BYTES:
            self._listed.append(violation)
            self._listed_bytes = size

    def count(self, number: int = 1) -> None:
        """Counts violations that are not listed, once 20 are known."""
        self._count += number

    def add_error(self, error: InvalidArgumentError, field: str) -> None:
        """Adds the violations of an error; ``field`` stands in if the error names no field.

        A violation without a field that counts others counts as these.
        """
        for violation in error.violations or (FieldViolation(field, error.message),):
            if not violation.field and (others := _OTHERS.fullmatch(violation.description)):
                self.count(int(others[1].replace(",", "")))
            else:
                self.add(violation.field, violation.description, error.reason, error.metadata)

    def names(self, field: str) -> bool:
        """Returns whether a listed violation names this field."""
        return any(violation.field == field for violation in self._listed)

    def raise_if_any(self) -> None:
        """Returns if there are no violations.

        Raises:
            InvalidArgumentError: There are violations. If not all are listed, the last one has no field and
                counts the others.
        """
        if self._headline is None:
            return
        listed = list(self._listed)
        message = f"{self._headline.field}: {self._headline.description}"
        at_least = "at least " if self._stopped else ""
        if self._count > 1:
            message += f" (and {at_least}{self._count - 1:,} more)"
        if self._count > len(listed):
            listed.append(FieldViolation("", f"and {at_least}{self._count - len(listed):,} more"))
        raise InvalidArgumentError(message, reason=self._reason, violations=listed, metadata=self._metadata)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
