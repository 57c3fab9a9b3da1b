"""Finds the label that a whole text spells."""

from collections.abc import Sequence

from headrace.kinds._labels.folding import FOLDS


class LabelIndex:
    """Labels by their folded spellings.

    The strictest fold that matches any label decides. Labels that it cannot tell apart are not found.

    Args:
        labels: Labels of a job.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        # A label can grow in typography: decomposed accents, invisible characters, spaces around slashes.
        self._max_length = 4 * max(map(len, labels)) + 200
        self._levels: list[dict[str, str | None]] = []
        folded = list(labels)
        for fold in FOLDS:
            folded = [fold(text) for text in folded]
            level: dict[str, str | None] = {}
            for text, label in zip(folded, labels, strict=True):
                level[text] = None if text in level else label
            self._levels.append(level)

    def find_spelling(self, text: str) -> str | None:
        """Returns the label that a text spells with its own characters, case and quotes aside."""
        return self._levels[0].get(FOLDS[0](text)) if len(text) <= self._max_length else None

    def find(self, text: str) -> str | None:
        """Returns the label that a text spells in any typography. A much longer text is not read."""
        if len(text) > self._max_length:
            return None
        for fold, level in zip(FOLDS, self._levels, strict=True):
            text = fold(text)
            if text in level:
                return level[text]
        return None
