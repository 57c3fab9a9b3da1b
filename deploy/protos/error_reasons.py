"""Generates ``headrace/reasons.py`` from the proto: ``python -m deploy.protos.error_reasons [FOLDER]``."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from deploy.local.paths import REPOSITORY
from deploy.protos.descriptors import ENUM, MEMBER, Comments, read_files

MODULE = Path("clients/python/headrace/reasons.py")
PREFIX = "ERROR_REASON_"
_ENUM = "ErrorReason"
_WIDTH = 106
_HEAD = '''"""Stable reasons of errors.

Generated from protos/headrace/jobs/v1/error_reason.proto by `make protos`: do not edit.
"""

from enum import StrEnum


class ErrorReason(StrEnum):
    """Reason of an error, for programs: ``HeadraceError.reason``, or ``Failure.reason`` of a job or an item.

    A member equals its name as a string. Code is the gRPC code of the failed call, "item" for a failed item
    or attempt, or "job" for a failed job. Metadata lists the keys of ``HeadraceError.metadata``.
    """
'''


class Reason(NamedTuple):
    """One value of ErrorReason.

    Attributes:
        name: Name without the prefix, as on the wire.
        section: Heading of its group in the proto.
        occurrence: When it occurs.
        remedy: What resolves it.
        code: gRPC codes, "item" or "job", separated by commas.
        metadata: Keys with their meanings, or "none".
    """

    name: str
    section: str
    occurrence: str
    remedy: str
    code: str
    metadata: str


def read_reasons(files: Sequence[FileDescriptorProto] | None = None) -> list[Reason]:
    """Returns every reason in the order of the proto, without the unspecified one.

    Args:
        files: Files of protos/ with source locations. Default: those of the repository.

    Raises:
        ValueError: The comment of a value lacks one of its labelled lines.
    """
    for file in read_files() if files is None else files:
        for index, enum in enumerate(file.enum_type):
            if enum.name == _ENUM:
                return list(_read_values(file, index))
    raise ValueError(f"no proto declares {_ENUM}")


def _read_values(file: FileDescriptorProto, enum_index: int) -> Iterator[Reason]:
    comments, section = Comments(file), ""
    for index, value in enumerate(file.enum_type[enum_index].value):
        path = [ENUM, enum_index, MEMBER, index]
        section = comments.heading(path) or section
        if value.number == 0:
            continue
        occurrence, *labelled = comments.paragraphs(path)
        labels = dict(line.split(": ", 1) for line in labelled)
        try:
            remedy, code, metadata = labels["Remedy"], labels["Code"], labels["Metadata"]
        except KeyError as error:
            raise ValueError(f"the comment of {value.name} lacks the line {error}") from None
        name = value.name.removeprefix(PREFIX)
        yield Reason(name, section, occurrence, remedy, code.removesuffix("."), metadata.removesuffix("."))


def print_module(reasons: Sequence[Reason]) -> str:
    """Returns the text of the Python module that holds the reasons as a StrEnum."""
    return _HEAD + "".join(f"\n{textwrap.indent(_print_member(reason), '    ')}" for reason in reasons)


def _print_member(reason: Reason) -> str:
    rest = (f"Remedy: {reason.remedy}", f"Code: {reason.code}.", f"Metadata: {reason.metadata}.")
    lines = [wrapped for line in rest for wrapped in textwrap.wrap(line, _WIDTH)]
    first = textwrap.fill(f'"""{reason.occurrence}', _WIDTH)
    return "\n".join([f'{reason.name} = "{reason.name}"', first, "", *lines, '"""']) + "\n"


def main() -> None:
    """Writes the module below the folder given, or into the repository."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY
    (folder / MODULE).parent.mkdir(parents=True, exist_ok=True)
    (folder / MODULE).write_text(print_module(read_reasons()))


if __name__ == "__main__":
    main()
