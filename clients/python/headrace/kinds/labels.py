"""Finds the label that a model's answer chooses."""

from collections.abc import Iterable, Sequence
from itertools import islice
from unicodedata import normalize

import orjson

from headrace.kinds._labels.folding import fold_case
from headrace.kinds._labels.json_answers import json_answer
from headrace.kinds._labels.label_index import LabelIndex
from headrace.kinds._labels.lead_ins import after_lead_in
from headrace.kinds._labels.line_reader import LineReader
from headrace.kinds._labels.mentions import LabelMentions
from headrace.kinds._labels.reasoning import final_answers, strip_reasoning, strip_thought_fields

_FENCE = "```"
# More are not a choice. The text of each can be as long as the answer.
_MAX_FINAL_ANSWERS = 16
# One character can stand for 18, and each fold of a label is kept. Short labels may hold some.
_MAX_ADDED_CHARACTERS = 200


class LabelFinder:
    """Finds which of its labels an answer chooses, in time linear in the length of the answer.

    An answer chooses a label if it is that label in any typography, with the decoration that models write
    around it: emphasis, quotes, brackets, tags, JSON, ``Label:``. Reasoning before it and an explanation
    after it, in brackets or on lines of its own, are allowed. A label within a sentence is not a choice. An
    answer that mentions another label, outside its reasoning, chooses none.

    Args:
        labels: Labels of a job, as ``check_labels`` accepts them.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = frozenset(labels)
        self._index = LabelIndex(labels)
        self._line_reader = LineReader(self._index, labels)
        self._mentions = LabelMentions(labels)

    def find(self, answer: str) -> str | None:
        """Returns the label that an answer chooses, spelt as the job spells it, or None."""
        if label := self._index.find_spelling(answer):
            return label
        if (label := self._structured(answer)) is not None:
            return label
        text = strip_reasoning(answer)
        if finals := list(islice(final_answers(text), _MAX_FINAL_ANSWERS + 1)):
            if len(finals) > _MAX_FINAL_ANSWERS:
                return None
            chosen = {self._read(final.text) for final in finals}
            text = text[min(final.start for final in finals) :]
            label = chosen.pop() if len(chosen) == 1 else None
        else:
            label = self._read(text)
        if label is None or self._mentions.has_other(strip_thought_fields(text), label):
            return None
        return label

    def _structured(self, answer: str) -> str | None:
        """Returns the label of an answer that is exactly ``{"label": ...}``, even if "label" is one too."""
        if not answer.lstrip().startswith("{"):
            return None
        try:
            value = orjson.loads(answer)
        except ValueError:
            return None
        label = value.get("label") if isinstance(value, dict) and len(value) == 1 else None
        return label if isinstance(label, str) and label in self._labels else None

    def _read(self, text: str) -> str | None:
        lines = [line for line in map(str.strip, text.splitlines()) if line]
        fences = [
            place for place, line in enumerate(lines) if line.startswith(_FENCE) and line.count(_FENCE) == 1
        ]
        if len(fences) == 2 and (label := self._read_lines(lines[fences[0] + 1 : fences[1]])):
            return label
        fenced = set(fences)
        return self._read_lines([line for place, line in enumerate(lines) if place not in fenced])

    def _read_lines(self, lines: Sequence[str]) -> str | None:
        if len(lines) > 1 and (value := _json_value(lines)) is not None:
            return self._line_reader.read(value)
        labels = (self._line_reader.read(line) for line in _choosing(lines))
        return next((label for label in labels if label), None)


def _choosing(lines: Sequence[str]) -> Iterable[str]:
    """Yields the lines that can hold a choice: the first, the one it announces, the last, those led in."""
    if not lines:
        return
    yield lines[0]
    if len(lines) > 1:
        if lines[0].rstrip("*_` ").endswith((":", "\uff1a")):
            yield lines[1]
        yield lines[-1]
        yield from (line for line in lines[1:-1] if after_lead_in(line.lstrip("*_#>- ")) is not None)


def _json_value(lines: Sequence[str]) -> str | None:
    """Returns the value of JSON over several lines, also between lines of prose."""
    starts = (place for place, line in enumerate(lines) if line[0] in "{[")
    ends = (place for place in range(len(lines) - 1, -1, -1) if lines[place][-1] in "}]")
    start, end = next(starts, None), next(ends, None)
    return None if start is None or end is None else json_answer("\n".join(lines[start : end + 1]))


def check_labels(labels: Iterable[str]) -> None:
    """Checks that labels can be told apart.

    Raises:
        ValueError: A label is blank, has a line break, more than doubles in a common form of Unicode, or is
            the same as another but for case, quotes and a final dot. The message has its position, from 0.
    """
    place_by_fold: dict[str, int] = {}
    for place, label in enumerate(labels):
        folded = fold_case(label)
        if not folded:
            raise ValueError(f"label {place} is blank")
        if len(label.splitlines()) > 1:
            raise ValueError(f"label {place} has a line break")
        if len(normalize("NFKC", label)) > 2 * len(label) + _MAX_ADDED_CHARACTERS:
            raise ValueError(f"label {place} has too many characters that stand for several; write them out")
        if folded in place_by_fold:
            raise ValueError(
                f"label {place} is the same as label {place_by_fold[folded]}; case, quotes and a final dot "
                "make no difference"
            )
        place_by_fold[folded] = place
