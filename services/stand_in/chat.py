"""Reads a chat and builds its completion in the form of the OpenAI API."""

import time
from functools import lru_cache
from typing import Any

from services.stand_in.keyword_rules import choose_label

NAME = "headrace-stand-in"
_LABELS_START = "Labels:\n"
_NO_LABELS = "This is a stand-in, not a language model: it only selects labels by keywords."


def read_prompt(messages: list[dict[str, Any]]) -> str:
    """Returns the user's messages, joined by a line of dashes."""
    return "\n---\n".join(
        str(message.get("content")) for message in messages if message.get("role") == "user"
    )


def response_text(messages: list[dict[str, Any]]) -> str:
    """Returns one of the labels listed in the system message, selected by keywords."""
    for message in messages:
        if message.get("role") == "system":
            labels = _read_labels(str(message.get("content")))
            if labels:
                text = next((str(m.get("content")) for m in messages if m.get("role") == "user"), "")
                return choose_label(labels, text)
    return _NO_LABELS


def completion(request: dict[str, Any], text: str, call_number: int) -> dict[str, Any]:
    """Returns the body of a chat completion, with plausible token counts (four characters per token).

    Args:
        request: Body of the request.
        text: Text of the model's message.
        call_number: Number of the call, from 1.
    """
    input_tokens = sum(4 + len(str(message.get("content"))) // 4 for message in request["messages"])
    output_tokens = 1 + len(text) // 4
    return {
        "id": f"chatcmpl-stand-in-{call_number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.get("model"),
        "system_fingerprint": NAME,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


@lru_cache(maxsize=256)
def _read_labels(system: str) -> tuple[str, ...]:
    _, found, listed = system.partition(_LABELS_START)
    return tuple(line for line in listed.splitlines() if line.strip()) if found else ()
