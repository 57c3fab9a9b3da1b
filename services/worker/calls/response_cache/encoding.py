"""Encodes keys and values of the response store. A value is a response, or the mark of a call in flight."""

import hashlib

import orjson

from headrace.kinds import Completion
from services.worker.calls.provider import CompletionRequest

# A larger response is not cached.
MAX_RESPONSE_BYTES = 256 * 1024
_RESPONSE = b"="
_MARK = b"@"


def key_of(
    tenant: str, provider_name: str, request: CompletionRequest, number: int, form: str = ""
) -> str | None:
    """Returns the key of a call's response. It is a hash and reveals nothing of the text.

    Args:
        tenant: Owner of the job that makes the call.
        provider_name: Name of the provider.
        request: The call. Its timeout and its options are not part of the key: ``form`` has them.
        number: Number of equal calls that the same item made before. Each of them wants a response of its
            own.
        form: The answer_key of the request's form.

    Returns:
        None if the call has no key.
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
    if form:
        content.append(form)
    try:
        return hashlib.sha256(orjson.dumps(content)).hexdigest()
    except orjson.JSONEncodeError:  # not valid Unicode: the provider's adapter refuses it
        return None


def mark_of(owner: str) -> bytes:
    """Returns the mark of the process that makes a call."""
    return _MARK + owner.encode()


def is_mark(value: bytes) -> bool:
    """Returns whether a value is the mark of a process that makes the call."""
    return value.startswith(_MARK)


def encode_response(key: str, response: Completion) -> bytes | None:
    """Returns the value for a response, the same for equal ones. None if it cannot be cached."""
    fields = [
        key,
        response.text,
        response.finish_reason,
        response.input_tokens,
        response.output_tokens,
        response.cached_tokens,
    ]
    try:
        value = _RESPONSE + orjson.dumps(fields)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
        return None
    return value if len(value) <= MAX_RESPONSE_BYTES else None


def decode_response(key: str, value: bytes) -> Completion | None:
    """Returns the response in a value. None if it is unreadable, not a response, or that of another key."""
    if not value.startswith(_RESPONSE):
        return None
    try:
        its_key, text, finish_reason, *tokens = orjson.loads(value[len(_RESPONSE) :])
    except (TypeError, ValueError):
        return None
    is_response = its_key == key and isinstance(text, str) and isinstance(finish_reason, str)
    if not is_response or len(tokens) != 3 or not all(isinstance(count, int) for count in tokens):
        return None
    input_tokens, output_tokens, cached_tokens = tokens
    return Completion(
        text=text,
        finish_reason=finish_reason,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
    )
