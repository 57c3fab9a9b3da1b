"""Reads the tokens and the model that a response reports."""

import math
from typing import Any, NamedTuple

from headrace.jobs.v1 import jobs_pb2
from services.shared.answered_models import merge_models

_MAX_TOKENS = 10**12  # anything greater is not a count
_MAX_TIER_LENGTH = 64
_INPUT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens")


class Tokens(NamedTuple):
    """Tokens of one call.

    Attributes:
        input_tokens: Tokens of the chat.
        output_tokens: Tokens of the answer.
        cached_tokens: Part of input_tokens that came from the provider's prompt cache.
        is_known: Whether the response reports input and output. Otherwise the cost of the call is unknown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    is_known: bool = False

    def add_to(self, usage: jobs_pb2.Usage) -> None:
        """Adds them to a usage."""
        usage.input_tokens += self.input_tokens
        usage.output_tokens += self.output_tokens
        usage.cached_tokens += self.cached_tokens


def read_tokens(response: Any) -> Tokens:
    """Returns the tokens that a response reports, also as floats or texts. 0 for those it does not report.

    Args:
        response: Decoded body, of any form.
    """
    counts = _find_counts(response)
    if counts is None:
        return Tokens()
    input_count = _first_count(counts, *_INPUT)
    output_count = _first_count(counts, *_OUTPUT)
    total = _count(counts.get("total_tokens"))
    if output_count is None and input_count is not None and total is not None:
        output_count = max(0, total - input_count)
    return Tokens(
        input_count or 0,
        output_count or 0,
        min(_cached_count(counts), input_count or 0),
        is_known=bool(input_count) and output_count is not None,
    )


def _find_counts(response: Any) -> dict[str, Any] | None:
    """Returns the counts of a response, wherever servers put them."""
    if not isinstance(response, dict):
        return None
    usage = response.get("usage")
    if isinstance(usage, dict) and "prompt_tokens" in usage:
        return usage
    choices, groq = response.get("choices"), response.get("x_groq")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for holder in (response, choice, groq):
        counts = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(counts, list) and len(counts) == 1:
            counts = counts[0]
        if isinstance(counts, dict):
            inner = counts.get("tokens")
            return inner if isinstance(inner, dict) else counts
    return None


def _cached_count(counts: dict[str, Any]) -> int:
    for name in ("prompt_tokens_details", "input_tokens_details"):
        details = counts.get(name)
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        if cached is not None:
            return cached
    return _first_count(counts, "cached_tokens", "prompt_cache_hit_tokens") or 0


def note_model(response: Any, asked_model: str, usage: jobs_pb2.Usage) -> None:
    """Adds the model that a response names to a usage, if the call asked for another one.

    Args:
        response: Decoded body, of any form.
        asked_model: Model that the call asked for.
        usage: Usage of the call.
    """
    model = response.get("model") if isinstance(response, dict) else None
    if isinstance(model, str) and model and model != asked_model:
        usage.answered_models[:] = merge_models(usage.answered_models, [model])


def read_service_tier(response: Any) -> str:
    """Returns the service tier that served a call. Empty if the response does not name it.

    Args:
        response: Decoded body, of any form.
    """
    usage = response.get("usage") if isinstance(response, dict) else None
    for part in (response, usage):
        tier = part.get("service_tier") if isinstance(part, dict) else None
        if tier and isinstance(tier, str):
            return tier[:_MAX_TIER_LENGTH]
    return ""


def _first_count(counts: dict[str, Any], *names: str) -> int | None:
    found = (_count(counts.get(name)) for name in names)
    return next((count for count in found if count is not None), None)


def _count(value: Any) -> int | None:
    """Returns a count of tokens, rounded up. None if it is not a count."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if 0 <= value < _MAX_TOKENS else None
