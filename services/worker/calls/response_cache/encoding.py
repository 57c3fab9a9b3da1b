"""What is at the keys: a mark of whoever makes the call, or an answer; and what the keys are made of."""

import hashlib

import orjson

from headrace.kinds import Completion
from services.worker.calls.provider import CompletionRequest

# A larger answer is not cached.
MAX_ANSWER_BYTES = 256 * 1024
_ANSWER = b"="
_MARK = b"@"


def key_of(tenant: str, provider_name: str, request: CompletionRequest, number: int) -> str | None:
    """Returns the key of a call's answer, which tells nothing of its text; None: it has none.

    Args:
        tenant: Whose job makes the call.
        provider_name: Where it goes.
        request: What is asked; how long to wait for the answer is no part of it.
        number: How often the same item has asked the same before: it wants another answer each time.
    """
    messages = [[message.role, message.content] for message in request.messages]
    content = [
        tenant,
        provider_name,
        request.model,
        messages,
        request.temperature,
        request.max_output_tokens,
        number,
    ]
    try:
        return hashlib.sha256(orjson.dumps(content)).hexdigest()
    except orjson.JSONEncodeError:  # no valid Unicode: the provider's adapter refuses it
        return None


def mark_of(owner: str) -> bytes:
    """Returns the mark that says who makes the call."""
    return _MARK + owner.encode()


def is_mark(value: bytes) -> bool:
    """Returns whether a value says that somebody makes the call."""
    return value.startswith(_MARK)


def encode_response(key: str, answer: Completion) -> bytes | None:
    """Returns the value for the answer at a key, the same for equal ones; None: it is not to be cached."""
    fields = [
        key,
        answer.text,
        answer.finish_reason,
        answer.input_tokens,
        answer.output_tokens,
        answer.cached_tokens,
    ]
    try:
        value = _ANSWER + orjson.dumps(fields)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
        return None
    return value if len(value) <= MAX_ANSWER_BYTES else None


def decode_response(key: str, value: bytes) -> Completion | None:
    """Returns the answer that a value holds; None: it holds none that can be read, or that of another key."""
    if not value.startswith(_ANSWER):
        return None
    try:
        its_key, text, finish_reason, *tokens = orjson.loads(value[len(_ANSWER) :])
    except (TypeError, ValueError):
        return None
    is_answer = its_key == key and isinstance(text, str) and isinstance(finish_reason, str)
    if not is_answer or len(tokens) != 3 or not all(isinstance(count, int) for count in tokens):
        return None
    return Completion(text, finish_reason, *tokens)
