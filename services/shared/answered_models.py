"""Names of models that answered calls for another model, as a usage shows them."""

from collections.abc import Iterable

# A usage shows the first ones only.
MAX_MODELS = 4
MAX_CHARACTERS = 100


def merge_models(*groups: Iterable[str]) -> list[str]:
    """Returns the names of all groups in their order: each once, and at most four.

    Args:
        groups: Names. They are cut to 100 characters, and control characters become spaces.
    """
    names = (_clean(name) for group in groups for name in group)
    return list(dict.fromkeys(name for name in names if name))[:MAX_MODELS]


def _clean(name: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in name[:MAX_CHARACTERS])
    return text.strip()
