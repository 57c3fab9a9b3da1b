"""Matches a model's answer with one of the labels."""

from collections.abc import Iterable

_QUOTES = "\"'`“”‘’«»„"  # noqa: RUF001  # the marks that models put around answers
_EDGES = " \t\r\n\f\v\u00a0" + _QUOTES


def fold_label(text: str) -> str:
    """Returns a text for comparison: lower case, without surrounding white space, quotes and dots."""
    return text.lstrip(_EDGES).rstrip(_EDGES + ".").casefold()


def match_label(answer: str, label_by_fold: dict[str, str]) -> str | None:
    """Returns the label that an answer means, or None if it matches no label.

    Args:
        answer: A model's answer, such as ``"Sales".``.
        label_by_fold: Labels as ``fold_labels`` returns them.
    """
    return label_by_fold.get(fold_label(answer))


def fold_labels(labels: Iterable[str]) -> dict[str, str]:
    """Returns labels by their folded text.

    Raises:
        ValueError: A label is blank, has a line break, or folds to the same text as another. The message has
            its position, from 0.
    """
    label_by_fold: dict[str, str] = {}
    place_by_fold: dict[str, int] = {}
    for place, label in enumerate(labels):
        folded = fold_label(label)
        if not folded:
            raise ValueError(f"label {place} is blank")
        if len(label.splitlines()) > 1:
            raise ValueError(f"label {place} has a line break")
        if folded in label_by_fold:
            raise ValueError(
                f"label {place} is the same as label {place_by_fold[folded]}; case, quotes and a final dot "
                "make no difference"
            )
        label_by_fold[folded], place_by_fold[folded] = label, place
    return label_by_fold
