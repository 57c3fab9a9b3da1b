"""Finds the text in the content of a message, whatever its form."""

import json
from typing import Any

import orjson

# Types of parts that hold what the model thinks, such as ``redacted_thinking`` or ``summary_text``.
_HIDDEN_TYPES = ("thinking", "thought", "reasoning", "redacted", "summary", "analysis")
_TEXT_FIELDS = ("text", "content", "value", "parts")
# Fields of a part. An object with others is an answer in JSON that the server has decoded.
_SIDE_FIELDS = {
    *_TEXT_FIELDS,
    "annotations",
    "cache_control",
    "citations",
    "id",
    "index",
    "logprobs",
    "role",
    "signature",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "type",
}
_MAX_DEPTH = 32  # a deeper content is not one of parts


def text_of_message(message: dict[str, Any], choice: dict[str, Any]) -> str | None:
    """Returns the text of an answer. None if it holds none.

    Args:
        message: Message of the choice.
        choice: The choice. Completions without a chat, and some servers, put the text here.
    """
    content = message.get("content")
    if isinstance(content, str):
        return content
    audio = message.get("audio")
    places = (content, choice.get("text"), message.get("text"), choice.get("content"))
    texts = (text_of(place) for place in places)
    found = next((text for text in texts if text is not None), None)
    if found is None and isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
        return str(audio["transcript"])
    return found


def text_of(content: Any, depth: int = 0) -> str | None:
    """Returns the text of a content of any form. None if it holds none.

    Parts are joined. A decoded answer in JSON becomes JSON again. Thinking is left out.

    Args:
        content: Content of a message, or of a part.
        depth: Number of parts around it.
    """
    if content is None or isinstance(content, str):
        return content
    if depth > _MAX_DEPTH:
        return None
    if isinstance(content, list):
        return _text_of_list(content, depth)
    if isinstance(content, dict):
        return _text_of_object(content, depth)
    return _to_json(content)


def is_refusal(content: Any) -> bool:
    """Returns whether a content, or one of its parts, is a refusal."""
    if isinstance(content, str):
        return False
    parts = content if isinstance(content, list) else [content]
    return any(
        isinstance(part, dict) and (part.get("type") == "refusal" or part.get("refusal")) for part in parts
    )


def _text_of_list(parts: list[Any], depth: int) -> str | None:
    if parts and not any(_is_part(part) for part in parts):
        return _to_json(parts)
    texts = [text_of(part, depth + 1) for part in parts if _is_part(part)]
    found = [text for text in texts if text is not None]
    return "".join(found) if found else None


def _is_part(part: Any) -> bool:
    if isinstance(part, dict):
        return "type" in part or any(name in part for name in _TEXT_FIELDS)
    if isinstance(part, list):
        return not part or isinstance(part[0], dict | str)
    return part is None or isinstance(part, str)


def _text_of_object(part: dict[str, Any], depth: int) -> str | None:
    if str(part.get("type")).startswith(_HIDDEN_TYPES) or part.get("thought") is True:
        return None
    name = next((name for name in _TEXT_FIELDS if name in part), None)
    is_part = depth > 0 or "type" in part or part.keys() <= _SIDE_FIELDS
    if name is not None and is_part:
        return text_of(part[name], depth + 1)
    if not part or "type" in part:  # a part without text, such as an image
        return None
    return _to_json(part)


def _to_json(value: Any) -> str | None:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # a number of more than 64 bits, or a deep value
        pass
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return None
