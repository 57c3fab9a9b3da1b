"""A response with an error status, independent of any HTTP library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorResponse:
    """A response that reports an error.

    Attributes:
        status: HTTP status, or the status that an error object in a response with status 200 names.
        headers: Headers of the response. Names are case-insensitive.
        body: Decoded error object, without the envelope ``{"error": ...}``. The text if it is not JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """Code of the error, such as ``rate_limit_exceeded``. None if it has none."""
        return self._text("code")

    @property
    def type(self) -> str | None:
        """Type of the error, such as ``invalid_request_error``. None if it has none."""
        return self._text("type")

    @property
    def param(self) -> str | None:
        """Name of the field of the request that the error is about. None if it names none."""
        return self._text("param")

    @property
    def message(self) -> str | None:
        """Message of the error. It may repeat parts of keys and inputs. None if it has none."""
        return self.body if isinstance(self.body, str) else self._text("message")

    def _text(self, name: str) -> str | None:
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def unwrap_error(body: Any) -> Any:
    """Returns the error object in a body, or the body itself if it has no envelope."""
    if isinstance(body, list) and len(body) == 1:  # Google's endpoints wrap the envelope in a list
        body = body[0]
    return body.get("error", body) if isinstance(body, dict) else body
