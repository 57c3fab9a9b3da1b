"""Masks secrets and the item's own text in the words of a provider."""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from urllib.parse import unquote

SECRET = "[secret]"  # noqa: S105 - the mark in place of a secret
ITEM_TEXT = "[item text]"
# Shortest text in common with a prompt that is masked, in characters. Shorter ones are ordinary words.
_MIN_COMMON = 12
_STEP = 6  # a common text of 2 * _STEP - 1 characters holds a piece of the prompt at a multiple of _STEP
_MAX_PROMPT_CHARACTERS = 200_000
_MAX_POSITIONS = 8  # of one piece in the text, so that a text of one repeated letter costs little
_MIN_SECRET = 4
_MIN_LONG_SECRET = 8  # shorter ones are masked as they are written alone
_MIN_BEGINNING = 8
_MAX_SECRET = 1_000
_SECRET_FORMS = re.compile(
    r"""
    (?:bearer|basic|api-key|apikey)\s+[^\s"',;:]{4,}
    | (?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|hf|nvapi|gh[opsu]|github_pat|glpat|xox[abp]|pplx|r8|tgp|fw|sess)[-_]
      [A-Za-z0-9_*.\-]{4,}
    | AIza[A-Za-z0-9_*.\-]{6,}
    | ya29\.[A-Za-z0-9_*.\-]{6,}
    | (?<!\w)A[KS]IA[A-Z0-9]{12,}
    | eyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*)*
    | (?<!\w)(?=\w*\d)(?=\w*[A-Za-z])\w{32,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LABELLED = re.compile(
    r"""
    (\b(?:api[_\ -]?key|(?:access[_\ -]?)?token|secret|password|authorization|credentials?|signature|cookie)\b
    [^:=\n]{0,20}[:=]\s*(?:\\?["'])?)
    (?!\d+\b)(?:(?:bearer|basic|token|key)\s+)?[^\s"',;\\]{4,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
# An item's number, address or name of a person with digits in it. A status or a token count is shorter.
_IDENTIFIER = re.compile(r"[\w.+\-]+@[\w.\-]+|\+?\d[\d \-/]{5,}\d")
_BASE64 = re.compile(r"(?<![\w+/])[\w+/\-]{12,4000}={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([nrtbf\"'/\\]))")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_QUOTED = re.compile(r"""["'`\u201c\u2018\xab](?=([^"'`\u201d\u2019\xbb]{2,200})["'`\u201d\u2019\xbb])""")


def mask(text: str, secrets: Sequence[str], prompts: Sequence[str]) -> str:
    """Returns a text without secrets and without the words of a prompt, whatever encodes them.

    Args:
        text: The text, not longer than a few thousand characters.
        secrets: Secrets to mask wherever they occur.
        prompts: Contents of the messages of the call.
    """

    def masked(words: str) -> str:
        return mask_prompt(mask_secrets(words, secrets), prompts)

    text = " ".join(text.split())
    for decode in _DECODERS:
        decoded = " ".join(decode(text).split())
        if decoded != text and masked(decoded) != decoded:
            text = decoded

    def mask_token(found: re.Match[str]) -> str:
        decoded = _from_base64(found[0])
        return found[0] if decoded is None or masked(decoded) == decoded else SECRET

    return masked(_BASE64.sub(mask_token, text))


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Returns a text without secrets: the given ones, and everything in the form of a key or a token.

    Case and white space within a secret make no difference, and its beginning is masked too.

    Args:
        text: The text.
        secrets: Secrets to mask wherever they occur.
    """
    for secret in secrets:
        if len(secret) >= _MIN_SECRET:
            text = _spellings(secret).sub(SECRET, text)
    return _SECRET_FORMS.sub(SECRET, _LABELLED.sub(rf"\1{SECRET}", text))


@lru_cache(maxsize=64)
def _spellings(secret: str) -> re.Pattern[str]:
    if len(secret) < _MIN_LONG_SECRET:
        return re.compile(re.escape(secret))
    whole = r"\s*".join(map(re.escape, secret[:_MAX_SECRET]))
    beginning = re.escape(secret[:_MIN_BEGINNING]) + r"[\w*.\-\u2026]*"
    return re.compile(f"{whole}|{beginning}" if len(secret) >= 2 * _MIN_BEGINNING else whole, re.IGNORECASE)


def _from_base64(token: str) -> str | None:
    """Returns the text that a token of base64 encodes, or None."""
    try:
        return base64.b64decode(token.rstrip("=").translate(_URL_SAFE) + "===").decode()
    except (binascii.Error, ValueError):
        return None


def _without_escapes(text: str) -> str:
    """Returns a text without the escapes of JSON."""
    return _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text
    )


def mask_prompt(text: str, prompts: Sequence[str]) -> str:
    """Returns a text without the words of a prompt, with single spaces.

    Masked are texts of 12 characters or more that occur in a prompt too, in upper or lower case, and
    addresses and long numbers of a prompt. A shorter text is masked if it is in quotes, or the whole of a
    prompt. White space makes no difference.

    Args:
        text: The text, not longer than a few thousand characters.
        prompts: Contents of the messages of the call.
    """
    text = " ".join(text.split())
    lowered = _lower(text)
    is_masked = bytearray(len(text))
    for prompt in prompts:
        prompt_text = _lower(" ".join(prompt[:_MAX_PROMPT_CHARACTERS].split()))
        _mark_common(lowered, prompt_text, is_masked)
        words = {found[0] for found in _IDENTIFIER.finditer(lowered)}
        words |= {found[1] for found in _QUOTED.finditer(lowered)}
        for word in words:
            if word in prompt_text:
                _mark_all(lowered, word, is_masked)
        whole = prompt_text.strip()
        if len(whole) >= _MIN_SECRET:
            _mark_all(lowered, whole, is_masked)
    return _replace(text, is_masked)


_DECODERS: Sequence[Callable[[str], str]] = (unquote, html.unescape, _without_escapes)


def _mark_common(text: str, prompt: str, is_masked: bytearray) -> None:
    positions: dict[str, list[int]] = {}
    for index in range(len(text) - _STEP + 1):
        found = positions.setdefault(text[index : index + _STEP], [])
        if len(found) < _MAX_POSITIONS:
            found.append(index)
    for start in range(0, len(prompt) - _STEP + 1, _STEP):
        for index in positions.get(prompt[start : start + _STEP], ()):
            if not is_masked[index]:
                _mark_around(text, index, prompt, start, is_masked)


def _mark_around(text: str, index: int, prompt: str, start: int, is_masked: bytearray) -> None:
    """Marks the longest common text around a piece, if it is long enough."""
    before = 0
    while index > before and start > before and text[index - before - 1] == prompt[start - before - 1]:
        before += 1
    after = _STEP
    while (
        index + after < len(text)
        and start + after < len(prompt)
        and text[index + after] == prompt[start + after]
    ):
        after += 1
    if before + after >= _MIN_COMMON:
        _mark(text, index - before, index + after, is_masked)


def _mark_all(text: str, word: str, is_masked: bytearray) -> None:
    index = text.find(word)
    while index >= 0:
        _mark(text, index, index + len(word), is_masked)
        index = text.find(word, index + len(word))


def _mark(text: str, start: int, end: int, is_masked: bytearray) -> None:
    """Marks a part of the text, without the blanks and the punctuation around it."""
    while start < end and not text[start].isalnum():
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    is_masked[start:end] = b"\x01" * (end - start)


def _replace(text: str, is_masked: bytearray) -> str:
    parts: list[str] = []
    for index, character in enumerate(text):
        if not is_masked[index]:
            parts.append(character)
        elif not index or not is_masked[index - 1]:
            parts.append(ITEM_TEXT)
    return "".join(parts)


def _lower(text: str) -> str:
    """Returns a text in lower case, unless that changes its length, as for a few letters of Turkish."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text
