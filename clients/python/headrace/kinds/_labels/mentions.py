"""Finds every label that a text mentions."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from headrace.kinds._labels.folding import fold_case, fold_words

# Scripts without spaces between words: each character is a word.
_WORDLESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3040-\u312f\u31a0-\ua4cf\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_COMBINING = "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u065f\u0670\u06d6-\u06ed\u0900-\u0dff"
_WORD = re.compile(
    rf"(?:[^\W_{_WORDLESS}]|[{_COMBINING}])+[+#]*\ue000?|[{_WORDLESS}]|&"
    r"|[^\w\s\x00-\xbf\u2000-\u206f\u3000-\u303f]"
)
# Longer labels are mentioned by their first words, so that a text is searched in linear time.
_MAX_WORDS = 32
# Stands behind a word that is no label on its own, but may be a part of one. From the private use area.
_PLAIN = "\ue000"
# Words of sentences that are labels in another case, as IT and US are.
_SENTENCE_WORD = re.compile("a|am|an|and|as|at|be|by|do|go|he|i|if|in|is|it|me|my|no|of|on|or|so|to|up|us|we")


def _words(text: str) -> list[str]:
    return ["and" if word == "&" else word for word in _WORD.findall(fold_words(text))]


def _sentence_words(labels: Sequence[str]) -> re.Pattern[str] | None:
    """Returns a pattern of words next to others that are a label in the case of the job alone."""
    own = [label for label in labels if _SENTENCE_WORD.fullmatch(label.casefold())]
    forms = {form for label in own for form in (label.lower(), label.capitalize())} - set(own)
    if not forms:
        return None
    form = f"(?:{'|'.join(sorted(forms))})"
    letter = r"[^\W\d_]"
    return re.compile(rf"(?<!\w){form}(?=[ \t]{letter})|(?<={letter}[ \t]){form}(?!\w)")


class LabelMentions:
    """Searches texts for labels as whole words, in any typography.

    Args:
        labels: Labels of a job.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._sentence_words = _sentence_words(labels)
        self._tree: dict[str | None, Any] = {}  # words to subtrees; None: the labels that end here
        self._wordless: list[tuple[str, str]] = []
        for label in labels:
            words = _words(label)[:_MAX_WORDS]
            if not words:
                self._wordless.append((fold_case(label), label))
                continue
            tree = self._tree
            for word in words:
                tree = tree.setdefault(word, {})
            tree.setdefault(None, set()).add(label)

    def has_other(self, text: str, label: str) -> bool:
        """Returns whether a text mentions another label than this one."""
        if self._sentence_words is not None:
            text = self._sentence_words.sub(rf"\g<0>{_PLAIN}", text.replace(_PLAIN, ""))
        folded = text.casefold() if self._wordless else ""
        if any(mark in folded and other != label for mark, other in self._wordless):
            return True
        return any(label not in mentioned for mentioned in self._mentions(_words(text)))

    def _mentions(self, words: list[str]) -> Iterator[set[str]]:
        """Yields the labels at each place, the longest at that place alone."""
        plain = [word.rstrip(_PLAIN) for word in words]
        place = 0
        while place < len(words):
            tree, longest, end = self._tree, None, place
            for position in range(place, min(place + _MAX_WORDS, len(words))):
                if (subtree := tree.get(plain[position])) is None:
                    break
                tree = subtree
                if None in tree:
                    longest, end = tree[None], position
            if longest is not None and not (end == place and words[place].endswith(_PLAIN)):
                yield longest
            place = end + 1
