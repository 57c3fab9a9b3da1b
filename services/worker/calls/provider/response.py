"""Reads the response to a chat completion. Signs of a failure come first, whatever the content holds.

The first row that applies decides.

====================================================  ======================================================
the choice in the response                            outcome
====================================================  ======================================================
a refusal, or a finish_reason of a content filter     item fails, PROVIDER_REFUSED_INPUT
a finish_reason of a broken generation                again, PROVIDER_ERROR
text, but an explicit finish_reason of null           item fails, PROVIDER_REFUSED_INPUT: it may be cut off.
                                                      Completion, if the profile says so
text in any form                                      completion
no text, finish_reason ``length``                     completion with an empty text
no text, any other finish_reason                      item fails, PROVIDER_REFUSED_INPUT
no choice, or neither text nor finish_reason          again, BROKEN_ANSWER
====================================================  ======================================================
"""

from typing import Any

import orjson

from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.usage import Tokens, read_service_tier

_REFUSALS = {
    "blocklist",
    "blocked",
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "guardrails",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "sensitive",
    "spii",
}
_BROKEN_GENERATIONS = {
    "abort",
    "aborted",
    "cancelled",
    "error",
    "insufficient_system_resource",
    "network_error",
    "server_error",
}
_CUT_OFF = {"length", "max_output_tokens", "max_tokens", "model_length"}
_TOOL_CALLS = {"tool_calls", "function_call", "tool_use"}
_HIDDEN_PARTS = {"thinking", "reasoning", "redacted_thinking"}
_MAX_REASON_LENGTH = 64


def read_completion(response: Any, tokens: Tokens, *, null_is_complete: bool = False) -> Completion:
    """Returns the completion in a response. See the table above.

    Args:
        response: Decoded body, of any form.
        tokens: Tokens that it reports.
        null_is_complete: Whether the provider leaves the finish_reason of complete answers null.

    Raises:
        RetryableError: BROKEN_ANSWER or PROVIDER_ERROR. The response contains no completion.
        ItemFailedError: PROVIDER_REFUSED_INPUT. There is no text, and another attempt would be paid in vain.
    """
    choice = _choice_of(response)
    message = _message_of(choice)
    reason = _finish_reason(choice)
    _check_failure(message, reason)
    text = _text_of(message.get("content"))
    if text is None:
        text = _text_of(choice.get("text"))
    if not text and (text is None or (reason or "").lower() in _TOOL_CALLS):
        text = _text_of_nothing(reason)
    elif reason is None and "finish_reason" in choice and not null_is_complete:
        raise ItemFailedError(
            ErrorReason.PROVIDER_REFUSED_INPUT,
            "the answer may be cut off: the provider reports its finish_reason as null",
        )
    return Completion(
        text=text,
        finish_reason=reason or "",
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
        cached_tokens=tokens.cached_tokens,
        service_tier=read_service_tier(response),
    )


def _choice_of(response: Any) -> dict[str, Any]:
    choices = response.get("choices") if isinstance(response, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else choices
    if not isinstance(choice, dict) or not choice:
        raise _broken("the provider's response contains no completion")
    return choice


def _message_of(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or choice.get("delta")
    return message if isinstance(message, dict) else {"content": message}


def _finish_reason(choice: dict[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    if isinstance(reason, dict):
        reason = reason.get("type")
    return str(reason)[:_MAX_REASON_LENGTH] if reason else None


def _check_failure(message: dict[str, Any], reason: str | None) -> None:
    name = (reason or "").lower()
    if name in _REFUSALS or message.get("refusal") or _is_refusal(message.get("content")):
        raise ItemFailedError(
            ErrorReason.PROVIDER_REFUSED_INPUT,
            "the model or the provider's content filter refused to respond"
            + (f" (finish_reason {reason})" if reason else ""),
        )
    if name in _BROKEN_GENERATIONS:
        raise RetryableError(
            ErrorReason.PROVIDER_ERROR, f"the provider broke off the answer (finish_reason {reason})"
        )


def _is_refusal(content: Any) -> bool:
    parts = content if isinstance(content, list) else [content]
    return any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)


def _text_of(content: Any) -> str | None:
    """Returns the text of a content, whatever its form. None if it holds none."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [text for text in map(_text_of, content) if text is not None]
        return "".join(texts) if texts else None
    if isinstance(content, dict):
        return _text_of_part(content)
    return orjson.dumps(content).decode()


def _text_of_part(part: dict[str, Any]) -> str | None:
    if part.get("type") in _HIDDEN_PARTS:
        return None
    for name in ("text", "content", "value", "parts"):
        if name in part:
            return _text_of(part[name])
    if not part or "type" in part:  # a part without text, such as an image
        return None
    return orjson.dumps(part).decode()  # an answer in JSON that the server has decoded


def _text_of_nothing(reason: str | None) -> str:
    if (reason or "").lower() in _CUT_OFF:
        return ""
    if reason is None:
        raise _broken("the provider's response contains no text")
    raise ItemFailedError(
        ErrorReason.PROVIDER_REFUSED_INPUT, f"the model answered without text (finish_reason {reason})"
    )


def _broken(message: str) -> RetryableError:
    return RetryableError(ErrorReason.BROKEN_ANSWER, message)
