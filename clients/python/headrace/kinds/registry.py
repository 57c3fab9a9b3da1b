"""The registry of kinds that a job can name."""

from importlib.metadata import entry_points
from typing import Any

from headrace.kinds.kind import Kind
from headrace.kinds.llm_classify import LLM_CLASSIFY
from headrace.kinds.llm_complete import LLM_COMPLETE
from headrace.kinds.noop import NOOP

ENTRY_POINT_GROUP = "headrace.kinds"


def builtin_kinds() -> dict[str, Kind[Any]]:
    """Returns the built-in kinds by name."""
    return {kind.name: kind for kind in (LLM_CLASSIFY, LLM_COMPLETE, NOOP)}


def installed_kinds() -> dict[str, Kind[Any]]:
    """Returns the built-in kinds and those of installed distributions, by name.

    A distribution offers a kind through an entry point of the group ``headrace.kinds`` that names a Kind.

    Raises:
        TypeError: An entry point names another object.
        ValueError: Two kinds have the same name.
    """
    kinds = builtin_kinds()
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        kind = entry_point.load()
        if not isinstance(kind, Kind):
            raise TypeError(f"entry point {entry_point.name} of {ENTRY_POINT_GROUP} is not a Kind")
        if kind.name in kinds:
            raise ValueError(f"two kinds are named {kind.name}; one is {entry_point.value}")
        kinds[kind.name] = kind
    return kinds
