"""Finds the chat completion in a decoded body: wrapped by a gateway, or in the form of another API.

A gateway may answer in the native form of the server behind it. The answer is paid and readable, so it is
turned into the form of the OpenAI API.
"""

from typing import Any

import orjson

_ENVELOPES = ("data", "result", "response", "body", "output", "completion")
_MAX_DEPTH = 4
_MAX_TEXT = 4 * 1024 * 1024
_ANSWERS = ("choices", "error")


def open_envelope(body: Any) -> Any:
    """Returns the chat completion or the error in a body, in the form of the OpenAI API.

    Args:
        body: Decoded body, of any form.

    Returns:
        The body itself if it holds neither.
    """
    if isinstance(body, dict) and body.get("choices"):
        return body
    found = _find(body, 0)
    return body if found is None else found


def _find(value: Any, depth: int) -> dict[str, Any] | None:
    if isinstance(value, str):
        value = _decode(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    if any(value.get(name) for name in _ANSWERS):
        return value
    for read in (_of_gemini, _of_anthropic, _of_ollama, _of_responses, _of_text_generation):
        if (found := read(value)) is not None:
            return found
    if depth >= _MAX_DEPTH:
        return None
    inner = (_find(value[name], depth + 1) for name in _ENVELOPES if name in value)
    return next((found for found in inner if found is not None), None)


def _decode(text: str) -> Any:
    """Returns the value of a text that is JSON itself. None if it is not."""
    if len(text) > _MAX_TEXT or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _of_gemini(body: dict[str, Any]) -> dict[str, Any] | None:
    candidates, feedback = body.get("candidates"), body.get("promptFeedback")
    counts = body.get("usageMetadata")
    usage = {}
    if isinstance(counts, dict):
        parts = [counts.get(name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
        usage = {
            "prompt_tokens": counts.get("promptTokenCount"),
            "completion_tokens": sum(part for part in parts if isinstance(part, int)),
            "cached_tokens": counts.get("cachedContentTokenCount"),
        }
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
        candidate = candidates[0]
        choice = {"message": {"content": candidate.get("content")}}
        return _chat(body, choice, candidate, "finishReason", usage)
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        choice = {"message": {}, "native_finish_reason": feedback["blockReason"]}
        return _chat(body, choice, {"reason": "content_filter"}, "reason", usage)
    return None


def _of_anthropic(body: dict[str, Any]) -> dict[str, Any] | None:
    if body.get("type") != "message" or "content" not in body:
        return None
    return _chat(body, {"message": {"content": body["content"]}}, body, "stop_reason", body.get("usage"))


def _of_ollama(body: dict[str, Any]) -> dict[str, Any] | None:
    if "done" not in body:
        return None
    message = body.get("message") or {"content": body.get("response")}
    usage = {"prompt_tokens": body.get("prompt_eval_count"), "completion_tokens": body.get("eval_count")}
    return _chat(body, {"message": message}, body, "done_reason", usage)


def _of_responses(body: dict[str, Any]) -> dict[str, Any] | None:
    output = body.get("output")
    if body.get("object") != "response" or not isinstance(output, list):
        return None
    messages = [each for each in output if isinstance(each, dict) and each.get("type") == "message"]
    content = [{"type": "message", "content": each.get("content")} for each in messages]
    details = body.get("incomplete_details")
    ended = {"reason": "stop" if body.get("status") == "completed" else body.get("status")}
    if isinstance(details, dict) and details.get("reason"):
        ended = details
    refusals = [{"type": "refusal"}] if any(_refuses(each.get("content")) for each in messages) else []
    choice = {"message": {"content": content + refusals}}
    return _chat(body, choice, ended, "reason", body.get("usage"))


def _refuses(parts: Any) -> bool:
    return isinstance(parts, list) and any(
        isinstance(part, dict) and part.get("type") == "refusal" for part in parts
    )


def _of_text_generation(body: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(body.get("generated_text"), str):
        return None
    details = body.get("details")
    ended = details if isinstance(details, dict) else {}
    return _chat(body, {"message": {"content": body["generated_text"]}}, ended, "finish_reason", None)


def _chat(
    body: dict[str, Any], choice: dict[str, Any], ended: dict[str, Any], reason_field: str, usage: Any
) -> dict[str, Any]:
    if reason_field in ended:
        choice = {**choice, "finish_reason": ended[reason_field]}
    return {"model": body.get("model"), "choices": [choice], "usage": usage}
