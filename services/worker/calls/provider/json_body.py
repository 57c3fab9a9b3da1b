"""Reads JSON bodies, those that strict JSON refuses too."""

import json
import re
from typing import Any

import orjson

from services.worker.calls.provider.answers.cut_off import read_cut_off

# Fields that tell what a call used. They are found in a body that is cut off too.
_COUNT = re.compile(r'"(prompt_tokens|completion_tokens|total_tokens|cached_tokens)"\s*:\s*(\d{1,12})\b')
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CHARSET = re.compile(r'charset="?([\w-]+)', re.IGNORECASE)
_VALID_LETTER = re.compile("[\u0080-\ufffc]|[\U00010000-\U0010ffff]")
# Objects of a text that are looked at. Others may come before the answer, such as words in braces.
_MAX_OBJECTS = 8
_ANSWERS = ("choices", "error")
_EVENT = "data:"
# A stream of events. Comments and other fields may come before its first data.
_STREAM = re.compile(r"\s*(?:(?::|event:|id:|retry:)[^\r\n]*\s+)*data:")
# Fields of a part of a stream, and the field of the message that they are joined to.
_PARTS = (("content", "content"), ("text", "content"), ("refusal", "refusal"))
_LENIENT = json.JSONDecoder(strict=False)  # reads NaN, Infinity and line breaks inside texts


def read_json(body: bytes, content_type: str = "") -> Any:
    """Returns the decoded body.

    A body that strict JSON refuses is read by a lenient reader. It accepts a byte order mark, UTF-16 and
    UTF-32, invalid UTF-8, NaN and Infinity, control characters, lone surrogates, trailing commas, and text
    before and after the object. A stream of events is joined to the object that it would have been.

    Args:
        body: The body.
        content_type: Its Content-Type, whose charset is used if the body is not valid UTF-8.

    Returns:
        If the body is unreadable, an object with the ``usage`` that can be found in it, or None.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = _decode(body, content_type)
    if _STREAM.match(text):
        return _join_events(text)
    value = _read_object(text)
    if value is None:
        return _find_usage(text)
    return (
        value if not isinstance(value, dict) or "usage" in value else {**(_find_usage(text) or {}), **value}
    )


def _decode(body: bytes, content_type: str) -> str:
    charset = _CHARSET.search(content_type)
    for name in (json.detect_encoding(body), charset[1] if charset else ""):
        try:
            return body.decode(name).lstrip("\ufeff")
        except (LookupError, ValueError):  # an unknown charset, or another one
            continue
    text = body.decode(json.detect_encoding(body), "replace")
    if not _VALID_LETTER.search(text):  # no letter beyond ASCII is UTF-8: one byte for each
        text = body.decode("cp1252", "replace")
    return text.lstrip("\ufeff")


def _read_object(text: str) -> Any:
    """Returns the first object with an answer or an error, else the first. None if there is none."""
    first = None
    start = text.find("{")
    for _ in range(_MAX_OBJECTS):
        if start < 0:
            break
        value, end = _read_at(text, start)
        if isinstance(value, dict) and any(value.get(name) for name in _ANSWERS):
            return value
        first = value if first is None else first
        start = text.find("{", end)
    return first


def _read_at(text: str, start: int) -> tuple[Any, int]:
    """Returns the object at a place and its end. If it is unreadable, None and the next place."""
    try:
        value, end = _LENIENT.raw_decode(text, start)
        return _without_surrogates(value), end
    except (ValueError, RecursionError):
        pass
    if _TRAILING_COMMA.search(text, start):
        try:
            value, _ = _LENIENT.raw_decode(_TRAILING_COMMA.sub("", text[start:]))
            return _without_surrogates(value), len(text)
        except (ValueError, RecursionError):
            pass
    value = read_cut_off(text[start:])
    return _without_surrogates(value), start + 1 if value is None else len(text)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_surrogates(part) for name, part in value.items()}
    return value


def _join_events(text: str) -> Any:
    lines = [line.strip() for line in text.splitlines()]
    chunks = [_read_object(line) for line in lines if line.startswith(_EVENT)]
    joined: dict[str, Any] = {"choices": []}
    choices: list[dict[str, Any]] = []
    for chunk in chunks:
        if isinstance(chunk, dict):
            joined |= {name: value for name, value in chunk.items() if value and name != "choices"}
            found = chunk.get("choices")
            first = found[0] if isinstance(found, list) and found else None
            choices += [first] if isinstance(first, dict) else []
    if choices:
        joined["choices"] = [_join_choices(choices)]
    return joined


def _join_choices(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns one choice with the content, the refusal and the finish_reason of its parts."""
    message: dict[str, Any] = {}
    for choice in choices:
        delta = choice.get("delta") or choice.get("message") or choice
        for name, target in _PARTS:
            part = delta.get(name) if isinstance(delta, dict) else None
            if part is not None:
                message.setdefault(target, []).append(part)
    for name, parts in message.items():
        if all(isinstance(part, str) for part in parts):
            message[name] = "".join(parts)
    joined: dict[str, Any] = {"message": message, "finish_reason": None}
    for choice in choices:
        joined |= {name: choice[name] for name in ("finish_reason", "error") if choice.get(name)}
    return joined


def _find_usage(text: str) -> dict[str, Any] | None:
    counts: dict[str, Any] = {name: int(count) for name, count in _COUNT.findall(text)}
    if not counts:
        return None
    cached = counts.pop("cached_tokens", 0)
    return {"usage": counts | {"prompt_tokens_details": {"cached_tokens": cached}}}
