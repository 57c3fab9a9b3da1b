"""The body of a response as far as it has arrived."""

from collections.abc import Mapping

import aiohttp
import orjson

from services.worker.calls.provider.answers.content_encoding import BodyTooLargeError, decompress

# A larger body is not a completion. It would fill the memory of the worker.
_MAX_BYTES = 32 * 1024 * 1024
_TOO_LARGE = b"the body is too large"


class ReceivedBody:
    """Reads a response, and keeps what arrived of it if the connection breaks or the time is up.

    Attributes:
        status: HTTP status. 0 if no response has begun.
        headers: Headers of the response.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._parts: list[bytes] = []

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Reads to the end of the body.

        Raises:
            aiohttp.ClientPayloadError: The body broke off.
        """
        self.status, self.headers = response.status, response.headers
        size = 0
        while part := await response.content.readany():
            self._parts.append(part)
            size += len(part)
            if size > _MAX_BYTES:
                self._parts = [_TOO_LARGE]
                return

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        body = b"".join(self._parts)
        try:
            return decompress(body, self.headers.get("content-encoding", ""), _MAX_BYTES)
        except BodyTooLargeError:
            return _TOO_LARGE

    def settle(self) -> bool:
        """Returns whether a response that broke off says enough: an error status, or a whole answer.

        A whole answer is paid. It is not asked for again because a gateway forgot the end of its body. The
        incomplete body of an error is dropped.
        """
        if not 200 <= self.status < 300:
            self._parts.clear()
            return self.status > 0
        return _is_whole_answer(self.content)


def _is_whole_answer(body: bytes) -> bool:
    if not body.rstrip().endswith(b"}"):
        return False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and bool(value.get("choices"))
