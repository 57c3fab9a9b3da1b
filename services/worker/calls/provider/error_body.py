"""Reads the provider's own words from the body of an error response, or of an answer without a completion."""

import re
from typing import Any, NamedTuple

import orjson

# Part of a message that is read. Messages are cut further before they are shown.
_MAX_CHARACTERS = 2_000
_MAX_FIELDS = 12
# Text of the model in a body that cannot be decoded. It belongs to the item and is not shown.
_MODEL_TEXT = re.compile(
    r'("(?:\w*text|content|response|output|completion|answer|arguments|thinking|reasoning\w*)"\s*:\s*")'
    r'(?:[^"\\]|\\.)*',
    re.DOTALL,
)
# Names of the message in the errors of web frameworks and other APIs.
_MESSAGE_NAMES = (
    *("message", "msg", "error_description", "error_message", "errorMessage", "error_msg", "status_msg"),
    *("description", "title", "detail", "reason"),
)
_REASONS = ("finish_reason", "native_finish_reason", "stop_reason")
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)


class ErrorBody(NamedTuple):
    """The provider's own words about a failed call.

    Attributes:
        type: Type of the error, or Google's status. Empty if there is none.
        code: Code of the error. Empty if there is none.
        message: Message of the error, or the text of a body that is not JSON. It may repeat keys and inputs.
        param: Field of the request that the error is about. Empty if there is none.
        has_object: Whether the body describes an error as a server of language models does. A web server or
            a proxy that does not know the URL sends no such object.
    """

    type: str = ""
    code: str = ""
    message: str = ""
    param: str = ""
    has_object: bool = False


def read_error_body(body: object) -> ErrorBody:
    """Returns the words in a body of any form: an error object of OpenAI, Google or vLLM, or text.

    Args:
        body: Body of the response, as bytes or decoded from JSON.
    """
    value = body
    if isinstance(body, bytes):
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ErrorBody(message=_read_text(body))
    if isinstance(value, list) and value:  # Google wraps the object
        value = value[0]
    if isinstance(value, str):
        return ErrorBody(message=_cut(value))
    return _read_object(value) if isinstance(value, dict) else ErrorBody()


def read_answer_words(response: object, body: bytes) -> str:
    """Returns what a response with status 200 says about its lack of a completion.

    For a choice, these are its reasons and its refusal, and the names and sizes of the other fields of its
    message. The model's text is left out. Otherwise they are the beginning of the body.

    Args:
        response: Decoded body. None if it is not JSON.
        body: The body itself.
    """
    choices = response.get("choices") if isinstance(response, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else choices
    if isinstance(choice, dict) and choice:
        return _cut(_describe_choice(choice))
    text = _read_text(body)
    return _MODEL_TEXT.sub(r"\1...", text) or f"the body has {len(body)} bytes and no text"


def _describe_choice(choice: dict[str, Any]) -> str:
    parts = [f"{name} {_word(choice[name]) or _size(choice[name])}" for name in _REASONS if name in choice]
    message = choice.get("message") or choice.get("delta")
    fields = message if isinstance(message, dict) else {"message": message}
    shown = [(str(name)[:40], value) for name, value in fields.items() if name != "role"]
    parts += [f"{name} {_size(value)}" for name, value in shown[:_MAX_FIELDS]]
    filters = choice.get("content_filter_results")
    if isinstance(filters, dict):
        hits = [name for name, found in filters.items() if isinstance(found, dict) and found.get("filtered")]
        parts += [f"filtered for {name}" for name in hits]
    refusal = fields.get("refusal")
    return ", ".join(parts) + (f": {refusal}" if isinstance(refusal, str) and refusal else "")


def _size(value: Any) -> str:
    if isinstance(value, str):
        return f"({len(value)} characters)"
    if isinstance(value, list | dict):
        return f"({len(value)} parts)"
    return "null" if value is None else f"({type(value).__name__})"


def _read_object(value: dict[str, Any]) -> ErrorBody:
    error = value.get("error")
    if isinstance(error, dict):
        return _read_error(error)
    if isinstance(error, str):
        kind, code = _word(value.get("type")), _word(value.get("code"))
        return ErrorBody(type=kind, code=code, message=_message(value, error), has_object=True)
    if "message" in value and ("type" in value or "code" in value):
        return _read_error(value)
    detail = value.get("detail")
    if isinstance(detail, dict):
        return _read_object(detail)
    if isinstance(detail, list):
        detail = "; ".join(str(each.get("msg", "")) for each in detail if isinstance(each, dict))
    for name in ("errors", "error"):
        found = value.get(name)
        if isinstance(found, list) and found:
            return _read_object({"error": found[0]})
    inner = value.get("base_resp")
    return ErrorBody(
        message=_cut(str(detail or _named(value) or (_named(inner) if isinstance(inner, dict) else "")))
    )


def _read_error(error: dict[str, Any]) -> ErrorBody:
    message = _named(error)
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and isinstance(
        metadata.get("raw"), str
    ):  # OpenRouter quotes another server
        message = f"{message}: {metadata['raw']}"
    kind = error.get("type") or error.get("status")
    return ErrorBody(
        type=_word(kind),
        code=_word(error.get("code")),
        message=_cut(message),
        param=_word(error.get("param")),
        has_object=True,
    )


def _named(value: dict[str, Any]) -> str:
    """Returns the first message of an object. Empty if it has none."""
    return next((str(value[name]) for name in _MESSAGE_NAMES if value.get(name)), "")


def _message(value: dict[str, Any], error: str) -> str:
    message = value.get("message")
    return _cut(f"{error}: {message}" if isinstance(message, str) and message else error)


def _read_text(body: bytes) -> str:
    text = body[: 4 * _MAX_CHARACTERS].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        text = re.sub(r"<[^>]*>", " ", title[2]) if title else ""
    return _cut(" ".join(text.split()))


def _word(value: Any) -> str:
    is_word = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:100] if is_word else ""


def _cut(text: str) -> str:
    return text[:_MAX_CHARACTERS]
