"""Reads why a model stopped, in the spellings of all providers."""

import re
from functools import lru_cache
from typing import Any

# All names are compared without case and punctuation.
_REFUSALS = {
    "blocked",
    "blocklist",
    "contentblocked",
    "contentfilter",
    "contentfiltered",
    "errortoxic",
    "flagged",
    "guardrail",
    "guardrailintervened",
    "guardrails",
    "imageprohibitedcontent",
    "imagesafety",
    "modelarmor",
    "moderation",
    "prohibitedcontent",
    "recitation",
    "refusal",
    "refused",
    "safety",
    "sensitive",
    "spii",
}
_BROKEN_GENERATIONS = {
    "abort",
    "aborted",
    "canceled",
    "cancelled",
    "error",
    "failed",
    "insufficientsystemresource",
    "internalerror",
    "networkerror",
    "servererror",
    "timeout",
    "usercancel",
}
_CUT_OFF = {
    "contextwindowexceeded",
    "errorlimit",
    "length",
    "maxlength",
    "maxoutputtokens",
    "maxtokens",
    "modelcontextwindowexceeded",
    "modellength",
}
_TOOL_CALLS = {"functioncall", "toolcall", "toolcalls", "tooluse"}
# Null, as gateways write it that turn it into a text.
_NOTHING = {"", "finishreasonunspecified", "none", "notset", "null", "undefined", "unspecified"}
_PUNCTUATION = re.compile(r"[\W_]+")
_MAX_LENGTH = 64


def read_finish_reason(choice: dict[str, Any]) -> str | None:
    """Returns the finish_reason of a choice as the provider spells it. None if it is null or absent."""
    if choice.get("finish_reason") == "stop":
        return "stop"
    reason = choice["finish_reason"] if "finish_reason" in choice else choice.get("stop_reason")
    if isinstance(reason, list):
        reason = reason[0] if reason else None
    if isinstance(reason, dict):
        reason = next(
            (reason[name] for name in ("type", "reason", "name", "value") if reason.get(name)), None
        )
    if reason is None or isinstance(reason, bool | dict | list):
        return None
    name = str(reason)[:_MAX_LENGTH]
    return None if _fold(name) in _NOTHING else name


def read_refusal_reason(choice: dict[str, Any], reason: str | None) -> str | None:
    """Returns the finish_reason of a content filter. None if none is named.

    A gateway may report ``stop``, and the reason of the server behind it under another name.

    Args:
        choice: The choice.
        reason: Its finish_reason.
    """
    native = choice.get("native_finish_reason")
    if native is None and reason == "stop":
        return None
    names = (reason, native[:_MAX_LENGTH] if isinstance(native, str) else None)
    return next((name for name in names if name and _fold(name) in _REFUSALS), None)


def is_broken_generation(reason: str | None) -> bool:
    """Returns whether the provider broke off the answer, and another attempt may succeed."""
    return reason is not None and _fold(reason) in _BROKEN_GENERATIONS


def is_cut_off(reason: str | None) -> bool:
    """Returns whether the answer reached the limit of its tokens."""
    return reason is not None and _fold(reason) in _CUT_OFF


def is_tool_call(reason: str | None) -> bool:
    """Returns whether the model stopped to call a tool."""
    return reason is not None and _fold(reason) in _TOOL_CALLS


@lru_cache(maxsize=256)
def _fold(name: str) -> str:
    return _PUNCTUATION.sub("", name).lower()
