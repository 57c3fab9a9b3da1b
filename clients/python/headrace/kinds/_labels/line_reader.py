"""Reads a line that holds a label and its decoration, and nothing else."""

import html
import re
import unicodedata
from collections.abc import Sequence

from headrace.kinds._labels.folding import DASHES
from headrace.kinds._labels.json_answers import json_answer
from headrace.kinds._labels.label_index import LabelIndex
from headrace.kinds._labels.lead_ins import after_lead_in

_MAX_STEPS = 16
_MAX_BRACKETS = 4
_QUOTES = "\"'`\u00ab\u00bb\u2018\u2019\u201c\u201d\u201e"
_END_MARKS = ".,;:!\u3002 "
_PAIRS = ("**", "__", "~~", "*", "_", "`", "$", "|")
_BRACKETS = (
    *(("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ("\uff08", "\uff09"), ("\uff3b", "\uff3d")),
    *(("\u3010", "\u3011"), ("\u300a", "\u300b"), ("\u3008", "\u3009")),
)
_BULLET = re.compile(
    rf"(?:\(?[A-Za-z]\)|\(\d{{1,3}}\)|#{{1,6}}|[{DASHES}*+>\u2022\u2023\u25e6\u00b7\u25cf\u25aa\u2192\u21d2]|[{DASHES}=]+>|\d{{1,3}}[.)])\s+"
)
_TAGGED = re.compile(r"<([\w-]{1,40})(?:\s[^<>]{0,200})?>(.*)</\1\s*>", re.DOTALL)
_OPEN_TAG = re.compile(r"<[\w-]{1,40}>([^<>]*)|([^<>]*)</[\w-]{1,40}>")  # the other one was a stop sequence
_COMMAND = re.compile(r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf)\s*\{(.*)\}", re.DOTALL)
_FIELD = re.compile(r"\{\s*[\"']?\w[\w -]{0,60}[\"']?\s*[:=](.*)\}", re.DOTALL)
_JSON_PREFIX = re.compile(r"json\s*(?=[{\[\"])", re.IGNORECASE)


class LineReader:
    """Removes decoration from a line, layer by layer, until a label is left.

    Args:
        index: Labels of the job.
        labels: The same labels. Marks that they use are removed in pairs alone.
    """

    def __init__(self, index: LabelIndex, labels: Sequence[str]) -> None:
        self._index = index
        self._own_marks = frozenset("".join(labels))
        self._emphasis = str.maketrans("", "", "".join({"*", "`"} - self._own_marks))
        self._layers = (
            json_answer, _inside_quotes, _inside_pair, _inside_brackets, _inside_tag, _inside_open_tag,
            _inside_command, _after_bullet, after_lead_in, self._without_emphasis, self._without_pictures,
            _without_end_marks, _without_entities,
        )  # fmt: skip

    def read(self, line: str) -> str | None:
        """Returns the label of a line, or None."""
        label, rest = self._peel(line)
        return label or self._before_brackets(rest)

    def _peel(self, line: str) -> tuple[str | None, str]:
        """Returns the label within the decoration, or None and the text without decoration."""
        for _ in range(_MAX_STEPS):
            line = line.strip()
            if label := self._index.find(line):
                return label, line
            inner = self._without_layer(line)
            if inner is None:
                break
            line = inner
        return None, line

    def _without_layer(self, line: str) -> str | None:
        for layer in self._layers:
            inner = layer(line)
            if inner is not None and inner != line:
                return inner
        return None

    def _before_brackets(self, line: str) -> str | None:
        """Returns the label of ``X (explanation)``, where X may have brackets of its own."""
        if not line.endswith((")", "]", "\uff09")):
            return None
        starts = [found.start() for found in re.finditer(r"(?<=\S)\s*[(\[\uff08]", line)][:_MAX_BRACKETS]
        for start in reversed(starts):
            if label := self._peel(line[:start])[0]:
                return label
        return None

    def _without_emphasis(self, line: str) -> str:
        return line.translate(self._emphasis)

    def _without_pictures(self, line: str) -> str:
        start, end = 0, len(line)
        while start < end and self._is_picture(line[start]):
            start += 1
        while end > start and self._is_picture(line[end - 1]):
            end -= 1
        return line[start:end]

    def _is_picture(self, character: str) -> bool:
        is_mark = unicodedata.category(character) in ("So", "Sk") or character in "\ufe0f\u200d "
        return is_mark and character not in self._own_marks


def _inside_quotes(line: str) -> str:
    return line.strip(_QUOTES) if line[:1] in _QUOTES and line[-1:] in _QUOTES else line


def _inside_pair(line: str) -> str | None:
    for mark in _PAIRS:
        if len(line) > 2 * len(mark) and line.startswith(mark) and line.endswith(mark):
            return line[len(mark) : -len(mark)]
    return None


def _inside_brackets(line: str) -> str | None:
    for opening, closing in _BRACKETS:
        if not (line.startswith(opening) and line.endswith(closing)):
            continue
        if opening == "{" and (field := _FIELD.fullmatch(line)):
            return field[1]
        inner = line[1:-1]
        # "(X) (explanation)" opens and closes, but not with one pair.
        if closing not in inner or -1 < inner.find(opening) < inner.find(closing):
            return inner
    return None


def _inside_tag(line: str) -> str | None:
    found = _TAGGED.fullmatch(line)
    return found[2] if found else None


def _inside_open_tag(line: str) -> str | None:
    found = _OPEN_TAG.fullmatch(line)
    return (found[1] if found[2] is None else found[2]) if found else None


def _without_entities(line: str) -> str:
    return html.unescape(line) if "&" in line else line


def _inside_command(line: str) -> str | None:
    found = _COMMAND.fullmatch(line)
    return found[1] if found else None


def _after_bullet(line: str) -> str | None:
    found = _BULLET.match(line) or _JSON_PREFIX.match(line)
    return line[found.end() :] if found else None


def _without_end_marks(line: str) -> str:
    return line.rstrip(_END_MARKS)
