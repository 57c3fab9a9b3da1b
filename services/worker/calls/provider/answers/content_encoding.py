"""Decompresses bodies, also those that are not encoded as their content-encoding says.

Servers and gateways forget the header, or leave it on a body that they have decompressed. Such an answer is
paid and readable.
"""

import zlib

_GZIP_START = b"\x1f\x8b"
_ANY_HEADER = zlib.MAX_WBITS | 32  # of gzip or zlib
_NO_HEADER = -zlib.MAX_WBITS
_MAX_LAYERS = 3
# Starts of readable bodies. JSON without a header never begins so once it is deflated.
_PLAIN = (b"{", b"[", b"<", b'"', b"data:", b":", b"event:", b"\xef\xbb\xbf")


class BodyTooLargeError(Exception):
    """A body is larger than its limit once it is decompressed."""


def decompress(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """Returns the decompressed body, or the body itself if it is not compressed.

    The part of a body that was cut off is returned as well.

    Args:
        body: The body.
        content_encoding: Its Content-Encoding, empty if it has none.
        max_bytes: Maximum size of the result.

    Raises:
        BodyTooLargeError: The result would be larger.
    """
    if not (content_encoding or body.startswith(_GZIP_START)):
        return body
    is_named = any(name in content_encoding.lower() for name in ("gzip", "deflate"))
    for _ in range(_MAX_LAYERS):
        if not (body.startswith(_GZIP_START) or is_named):
            break
        found = _inflate(body, max_bytes)
        if found is None:
            break
        body, is_named = found, False
    return body


def _inflate(body: bytes, max_bytes: int) -> bytes | None:
    if body.lstrip().startswith(_PLAIN):
        return None
    for window_bits in (_ANY_HEADER, _NO_HEADER):
        try:
            found = zlib.decompressobj(window_bits).decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(found) > max_bytes:
            raise BodyTooLargeError
        return found
    return None
