"""Labels, and finding the one that a model's answer means."""

from collections.abc import Iterable

_QUOTES = "\"'`“”‘’«»„"  # noqa: RUF001  # the very marks that models put around answers
_EDGES = " \t\r\n\f\v\u00a0" + _QUOTES


def fold_label(text: str) -> str:
    """Returns what is compared: without white space, quotes and dots around it, in lower case."""
    return text.lstrip(_EDGES).rstrip(_EDGES + ".").casefold()


def match_label(answer: str, label_by_fold: dict[str, str]) -> str | None:
    """Returns the label that an answer means, or None if it is none of them.

    Args:
        answer: A model's answer, such as ``"Sales".``.
        label_by_fold: As ``fold_labels`` gives it.
    """
    return label_by_fold.get(fold_label(answer))


def fold_labels(labels: Iterable[str]) -> dict[str, str]:
    """Returns labels by what they are compared by.

    Raises:
        ValueError: A label is blank, has a line break, or cannot be told from another. It is named by its
            place, from 0.
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
                f"label {place} is the same as label {place_by_fold[folded]}; case, quotes and a dot "
                "at the end make no difference"
            )
        label_by_fold[folded], place_by_fold[folded] = label, place
    return label_by_fold
