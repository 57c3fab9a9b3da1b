"""Bodies are decompressed by their bytes, not by their header alone."""

import gzip
import zlib

import pytest

from services.worker.calls.provider.answers.content_encoding import BodyTooLargeError, decompress

PLAIN = b'{"choices": []}'
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(PLAIN) + RAW.flush()


@pytest.mark.parametrize(
    ("body", "content_encoding"),
    [
        (PLAIN, ""),
        (PLAIN, "gzip"),
        (PLAIN, "deflate"),
        (PLAIN, "br"),
        (b"\n " + PLAIN, "deflate"),
        (gzip.compress(PLAIN, mtime=0), "gzip"),
        (gzip.compress(PLAIN, mtime=0), "x-gzip"),
        (gzip.compress(PLAIN, mtime=0), ""),
        (gzip.compress(PLAIN, mtime=0), "deflate"),
        (gzip.compress(gzip.compress(PLAIN, mtime=0), mtime=0), "gzip, gzip"),
        (gzip.compress(gzip.compress(PLAIN, mtime=0), mtime=0), "gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (zlib.compress(PLAIN), "GZIP"),
        (DEFLATED, "deflate"),
    ],
)
def test_the_body_is_found(body, content_encoding):
    assert decompress(body, content_encoding, 1000).strip() == PLAIN


def test_the_part_that_came_of_a_body_is_kept():
    body = gzip.compress(bytes(range(256)) * 4, compresslevel=0)
    assert decompress(body[:200], "gzip", 10_000) == bytes(range(256))[:185]


@pytest.mark.parametrize("body", [b"", b"\x1f\x8b", b"\x1f\x8bnot gzip", b"upstream gone"])
def test_what_is_not_compressed_stays_as_it_is(body):
    assert decompress(body, "gzip", 1000) in (body, b"")


def test_a_bomb_is_not_inflated():
    with pytest.raises(BodyTooLargeError):
        decompress(gzip.compress(b"0" * 10_000_000, mtime=0), "gzip", 100_000)
