"""Tells what a model thinks from what it answers."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_THOUGHTS = (
    "think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|explanation|rationale"
)
_THOUGHT_TAG = re.compile(
    rf"<(?P<close>/?)(?:{_THOUGHTS})(?:\s[^<>]{{0,100}})?>|[\[\u25c1](?P<end>/?)think[\]\u25b7]",
    re.IGNORECASE,
)
_THOUGHT_FIELD = re.compile(
    rf'("(?:{_THOUGHTS}|justification|evidence)"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"', re.IGNORECASE | re.DOTALL
)
# Tokens of chat templates that some servers leave in the text.
_CONTROL = re.compile(r"<\|[^<>|]{0,60}\|>|</?s>|<(?:eos|bos|pad|end_of_turn)>|\[/?INST\]", re.IGNORECASE)
_MESSAGE = "<|message|>"
_ANSWER_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>(?:final_?)?(?:answer|output|result)|(?:final_?)?(?:label|category|class))\s*>",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)?)\}")
_FINAL = re.compile(
    r"(?:\A|[\n.!?:;>])[\s*_#>\-]{0,20}(?:(?:so|thus|therefore|hence),?\s+)?(?:(?:the|my)\s+)?"
    r"final\s+(?:answer|label|category|class|classification|decision|verdict|choice)"
    r"[*_` \t]*(?:is\b[*_` \t]*[:\uff1a]?|[:\uff1a=\-]|(?=\r?\n))[*_` \t]*",
    re.IGNORECASE,
)


class FinalAnswer(NamedTuple):
    """The part of an answer that the model itself names as final.

    Attributes:
        start: Offset in the answer.
        text: Text of the part.
    """

    start: int
    text: str


def strip_reasoning(answer: str) -> str:
    """Returns an answer without the reasoning that a model marks as such. It may be empty.

    Reasoning that is not closed reaches to the end of the answer. If only its end is marked, it reaches from
    the start.
    """
    text = _CONTROL.sub(
        "", answer[answer.rfind(_MESSAGE) + len(_MESSAGE) :] if _MESSAGE in answer else answer
    )
    kept: list[str] = []
    depth = start = 0
    for tag in _THOUGHT_TAG.finditer(text):
        if not (tag["close"] or tag["end"]):
            if depth == 0:
                kept.append(text[start : tag.start()])
            depth += 1
            continue
        if depth == 0:
            kept.clear()
        depth = max(depth - 1, 0)
        start = tag.end()
    if depth == 0:
        kept.append(text[start:])
    return "\n".join(kept).strip()


def strip_thought_fields(text: str) -> str:
    """Returns a text whose fields of JSON named as thoughts, such as ``"reason"``, are empty."""
    return _THOUGHT_FIELD.sub(r'\1""', text)


def final_answers(text: str) -> Iterator[FinalAnswer]:
    r"""Yields what a text marks as its final answer: by those words, an answer tag or ``\boxed``."""
    for found in _BOXED.finditer(text):
        yield FinalAnswer(found.start(), found[1])
    yield from _tagged(text)
    yield from _announced(text)


def _tagged(text: str) -> Iterator[FinalAnswer]:
    opened: dict[str, re.Match[str]] = {}
    for tag in _ANSWER_TAG.finditer(text):
        name = tag["name"].casefold()
        if not tag["close"]:
            opened[name] = tag
        elif opening := opened.pop(name, None):
            # A tag named after the label may come first, with prose before it that is not reasoning.
            start = opening.start() if name.endswith(("answer", "output", "result")) else 0
            yield FinalAnswer(start, text[opening.end() : tag.start()])


def _announced(text: str) -> Iterator[FinalAnswer]:
    for found in _FINAL.finditer(text):
        start = found.end()
        while start < len(text) and text[start].isspace():
            start += 1
        end = text.find("\n", start)
        yield FinalAnswer(found.start(), text[start : end if end >= 0 else len(text)])
