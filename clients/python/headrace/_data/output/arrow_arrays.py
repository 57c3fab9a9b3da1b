"""Makes Arrow arrays of Python values from buffers.

``pyarrow.array`` would import pandas where it is installed, which costs 47 MB.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

from headrace._data.output.value_kinds import BOOLEAN, INTEGER, LIST, NUMBER


def arrow_array(kind: str, arrow_type: Any, values: Sequence[Any]) -> Any:
    """Returns an array of values of one kind, or None.

    Args:
        kind: Kind of the values. Those of text, JSON and nothing are strings.
        arrow_type: The Arrow type of this kind.
        values: The values, with a total of less than 2 GB.
    """
    import pyarrow

    validity = None if None not in values else pyarrow.py_buffer(_bits([v is not None for v in values]))
    if kind.startswith(LIST):
        members = list(chain.from_iterable(value or () for value in values))
        child = arrow_array(kind.removeprefix(LIST), arrow_type.value_type, members)
        offsets = _offsets(len(value or ()) for value in values)
        buffers = [validity, pyarrow.py_buffer(offsets)]
        return pyarrow.Array.from_buffers(arrow_type, len(values), buffers, children=[child])
    return pyarrow.Array.from_buffers(
        arrow_type, len(values), [validity, *map(pyarrow.py_buffer, _buffers(kind, values))]
    )


def _buffers(kind: str, values: Sequence[Any]) -> list[Any]:
    if kind == BOOLEAN:
        return [_bits([value is True for value in values])]
    if kind in (INTEGER, NUMBER):
        return [array("q" if kind == INTEGER else "d", [0 if value is None else value for value in values])]
    texts = [b"" if value is None else value.encode() for value in values]
    return [_offsets(map(len, texts)), b"".join(texts)]


def _offsets(lengths: Any) -> Any:
    return array("i", accumulate(lengths, initial=0))


def _bits(flags: Sequence[bool]) -> bytes:
    """Returns flags as bits, the first one in the lowest bit of the first byte."""
    digits = "".join("1" if flag else "0" for flag in reversed(flags))
    return int(digits or "0", 2).to_bytes((len(flags) + 7) // 8, "little")
