"""Writes the public protos without validation rules: ``python -m deploy.protos.public_protos [FOLDER]``.

The rules of protovalidate double the generated code of some languages. Clients in those languages compile
clients/protos: the same messages and comments, without the rules.
"""

import re
import sys
from pathlib import Path

from deploy.local.paths import REPOSITORY

FOLDER = Path("clients/protos")
PACKAGES = ("headrace/jobs", "headrace/gateway")
_HEAD = "// Generated from protos/{name} by `make protos`: do not edit.\n"
_IMPORT = re.compile(r'^import "buf/validate/validate\.proto";\n', re.MULTILINE)
_MESSAGE_RULES = re.compile(r"^ *option \(buf\.validate\.\w+\)", re.MULTILINE)
_FIELD_RULES = re.compile(r"\s*\[\s*(?=\(buf\.validate\.)")


def strip_rules(proto: str) -> str:
    """Returns the text of a proto file without its rules of protovalidate.

    Args:
        proto: Text as ``buf format`` writes it. A field has rules or other options, not both.
    """
    proto = _IMPORT.sub("", proto)
    while rules := _MESSAGE_RULES.search(proto):
        end = _end_of_brackets(proto, proto.index("{", rules.end()))
        proto = proto[: rules.start()] + proto[end:].removeprefix(";").lstrip("\n")
    while rules := _FIELD_RULES.search(proto):
        end = _end_of_brackets(proto, proto.index("[", rules.start()))
        proto = proto[: rules.start()] + proto[end:]
    return proto


def _end_of_brackets(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in "[{") - (text[position] in "]}")
        if depth == 0:
            return position + 1
    raise ValueError("a bracket is not closed")


def main() -> None:
    """Writes the files below clients/protos of the folder given, or of the repository."""
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY) / FOLDER
    protos = REPOSITORY / "protos"
    for path in sorted(path for package in PACKAGES for path in (protos / package).rglob("*.proto")):
        name = path.relative_to(protos)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_HEAD.format(name=name) + strip_rules(path.read_text()))


if __name__ == "__main__":
    main()
