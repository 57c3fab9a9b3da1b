"""Reads the response to a chat completion. Signs of a failure come first, whatever the content holds.

The first row that applies decides.

====================================================  ======================================================
the choice in the response                            outcome
====================================================  ======================================================
a refusal, or any sign of a content filter            item fails, PROVIDER_REFUSED_INPUT
a finish_reason of a broken generation                again, PROVIDER_ERROR
text, but an explicit finish_reason of null           item fails, PROVIDER_REFUSED_INPUT: it may be cut off.
                                                      Completion, if the profile says so
text in any form                                      completion
no text, finish_reason ``length``                     completion with an empty text
no text, any other finish_reason, or a tool call      item fails, PROVIDER_REFUSED_INPUT
no choice, or neither text nor finish_reason          again, BROKEN_ANSWER
====================================================  ======================================================
"""

from typing import Any

from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.answers.finish_reason import (
    is_broken_generation,
    is_cut_off,
    is_tool_call,
    read_finish_reason,
    read_refusal_reason,
)
from services.worker.calls.provider.answers.text import is_refusal, text_of_message
from services.worker.calls.provider.usage import Tokens, read_service_tier


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
    reason = read_finish_reason(choice)
    _check_failure(message, choice, reason)
    text = text_of_message(message, choice)
    if text is None or (not text.strip() and _calls_tool(message, reason)):
        text = _text_of_nothing(reason, _calls_tool(message, reason))
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
    found = choices if isinstance(choices, list) else [choices]
    choice = next((each for each in found if isinstance(each, dict) and each), None)
    if choice is not None:
        return choice
    if isinstance(response, dict) and _is_prompt_filtered(response):
        raise _refused("")
    raise _broken("the provider's response contains no completion")


def _message_of(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or choice.get("delta")
    return message if isinstance(message, dict) else {"content": message}


def _check_failure(message: dict[str, Any], choice: dict[str, Any], reason: str | None) -> None:
    refusal_reason = read_refusal_reason(choice, reason)
    refuses = message.get("refusal") or choice.get("refusal") or is_refusal(message.get("content"))
    if refusal_reason or refuses or _is_filtered(choice):
        raise _refused(refusal_reason or reason or "")
    if is_broken_generation(reason):
        raise RetryableError(
            ErrorReason.PROVIDER_ERROR, f"the provider broke off the answer (finish_reason {reason})"
        )


def _is_prompt_filtered(response: dict[str, Any]) -> bool:
    results = response.get("prompt_filter_results")
    return isinstance(results, list) and any(
        isinstance(result, dict) and _is_filtered(result) for result in results
    )


def _is_filtered(part: dict[str, Any]) -> bool:
    filters = part.get("content_filter_results")
    if not isinstance(filters, dict):
        return False
    found = filters.values()
    return any(isinstance(each, dict) and each.get("filtered") is True for each in found)


def _calls_tool(message: dict[str, Any], reason: str | None) -> bool:
    return is_tool_call(reason) or bool(message.get("tool_calls") or message.get("function_call"))


def _text_of_nothing(reason: str | None, calls_tool: bool) -> str:
    if is_cut_off(reason):
        return ""
    if reason is None and not calls_tool:
        raise _broken("the provider's response contains no text")
    cause = f"finish_reason {reason}" if reason else "a tool call"
    raise ItemFailedError(ErrorReason.PROVIDER_REFUSED_INPUT, f"the model answered without text ({cause})")


def _refused(reason: str) -> ItemFailedError:
    return ItemFailedError(
        ErrorReason.PROVIDER_REFUSED_INPUT,
        "the model or the provider's content filter refused to respond"
        + (f" (finish_reason {reason})" if reason else ""),
    )


def _broken(message: str) -> RetryableError:
    return RetryableError(ErrorReason.BROKEN_ANSWER, message)
