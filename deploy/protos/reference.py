"""Generates the API reference from the protos: ``python -m deploy.protos.reference [FOLDER]``."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
)

from deploy.local.paths import REPOSITORY
from deploy.protos.descriptors import (
    ENUM,
    MEMBER,
    MESSAGE,
    NESTED_ENUM,
    PACKAGE,
    SERVICE,
    Comments,
    read_files,
)
from deploy.protos.error_reasons import read_reasons

PAGES = {
    "api.md": ("API reference", ["headrace.gateway.v1", "headrace.jobs.v1"]),
    "internal-api.md": (
        "Contracts between the services",
        ["headrace_internal.results.v1", "headrace_internal.worker.v1"],
    ),
}
NOTE = "<!-- Generated from the comments in protos/ by `make protos`: do not edit. -->"
_ERRORS_INTRODUCTION = """\
A program acts on the reason of an error: `google.rpc.ErrorInfo.reason` of a failed call (`error.reason` in
Python), and `Error.reason` of a failed job, item or attempt. Reasons are stable. In Python they are members
of `headrace.ErrorReason`; kinds of your own add theirs.

Code is the gRPC code of the failed call, `item` for a failed item or attempt, or `job` for a failed job.
Metadata lists the keys of `google.rpc.ErrorInfo.metadata` (`error.metadata` in Python)."""


class FileSection:
    """Section of a page on one proto file.

    Args:
        file: The file, with source locations.
        pages: The page of each of Headrace's packages.
    """

    def __init__(self, file: FileDescriptorProto, pages: Mapping[str, str]) -> None:
        self._file = file
        self._pages = pages
        self._comments = Comments(file)
        self._messages = {f".{file.package}.{message.name}": i for i, message in enumerate(file.message_type)}

    def lines(self) -> Iterator[str]:
        """Yields blocks of Markdown: services, each call with request and response; other messages; enums."""
        yield from self._blocks([PACKAGE])
        for i, service in enumerate(self._file.service):
            yield f"### {service.name}"
            yield from self._blocks([SERVICE, i])
            yield ", ".join(f"[{method.name}](#{method.name.lower()})" for method in service.method)
            for j, method in enumerate(service.method):
                yield from self._method(method, [SERVICE, i, MEMBER, j])
        shown = {name for s in self._file.service for m in s.method for name in (m.input_type, m.output_type)}
        for name, i in self._messages.items():
            if name not in shown:
                yield f"### {self._file.message_type[i].name}"
                yield from self._message(i)
        for i, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, enum.name, [ENUM, i])

    def _method(self, method: MethodDescriptorProto, path: Sequence[int]) -> Iterator[str]:
        sent = "stream of " * method.client_streaming + self._named(method.input_type)
        answered = "stream of " * method.server_streaming + self._named(method.output_type)
        yield f"#### {method.name}"
        yield f"{sent} → {answered}"
        yield from self._blocks(path)
        for name in dict.fromkeys((method.input_type, method.output_type)):
            if name in self._messages:
                yield f"**{_last(name)}**"
                yield from self._message(self._messages[name])

    def _message(self, index: int) -> Iterator[str]:
        message = self._file.message_type[index]
        yield from self._described(message.name, [MESSAGE, index])
        if message.field:
            rows = [
                (f"`{field.name}`", self._type(field, message), self._text([MESSAGE, index, MEMBER, i]))
                for i, field in enumerate(message.field)
            ]
            yield _table(("field", "type", "meaning"), rows)
        for i, enum in enumerate(message.enum_type):
            yield from self._enum(enum, f"{message.name}.{enum.name}", [MESSAGE, index, NESTED_ENUM, i])

    def _enum(self, enum: EnumDescriptorProto, name: str, path: Sequence[int]) -> Iterator[str]:
        yield f"**{name}**" if "." in name else f"### {name}"
        yield from self._described(name, path)
        rows = [
            (f"`{value.name}`", str(value.number), self._text([*path, MEMBER, i]))
            for i, value in enumerate(enum.value)
        ]
        yield _table(("value", "number", "meaning"), rows)

    def _type(self, field: FieldDescriptorProto, message: DescriptorProto) -> str:
        entries = {
            f".{self._file.package}.{message.name}.{nested.name}": nested for nested in message.nested_type
        }
        if field.type_name in entries:
            key, value = entries[field.type_name].field
            return f"map of {self._plain_type(key)} to {self._plain_type(value)}"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {self._plain_type(field)}"
        if field.proto3_optional:
            return f"optional {self._plain_type(field)}"
        if field.HasField("oneof_index"):
            return f"{self._plain_type(field)} (one of `{message.oneof_decl[field.oneof_index].name}`)"
        return self._plain_type(field)

    def _plain_type(self, field: FieldDescriptorProto) -> str:
        if field.type_name:
            return self._named(field.type_name)
        return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()

    def _named(self, type_name: str) -> str:
        name = type_name.removeprefix(".")
        for package, page in self._pages.items():
            if name.startswith(f"{package}."):
                return f"[{name.removeprefix(f'{package}.')}]({page}#{name})"
        return name

    def _described(self, name: str, path: Sequence[int]) -> Iterator[str]:
        first, *others = self._blocks(path)
        yield f"{_anchor(f'{self._file.package}.{name}')}\n{first}"
        yield from others

    def _blocks(self, path: Sequence[int]) -> Iterator[str]:
        paragraphs = map(escaped, self._comments.paragraphs(path))
        for is_list, group in groupby(paragraphs, lambda paragraph: paragraph.startswith("- ")):
            lines = list(group)
            yield from ["\n".join(lines)] if is_list else lines

    def _text(self, path: Sequence[int]) -> str:
        return " ".join(map(escaped, self._comments.paragraphs(path)))


def make_pages() -> dict[str, str]:
    """Returns the Markdown of each page by its file name.

    Raises:
        SystemExit: A package of protos/ has no page, or a page names a package that is not there.
    """
    files = read_files()
    page_of = {package: page for page, (_, packages) in PAGES.items() for package in packages}
    mismatched = sorted({file.package for file in files} ^ page_of.keys())
    if mismatched:
        raise SystemExit(f"PAGES of {Path(__file__).name} and protos/ name different packages: {mismatched}")
    pages = {}
    for page, (title, packages) in PAGES.items():
        blocks = [f"# {title}", NOTE]
        for package in packages:
            blocks.append(f"## {package}")
            for file in files:
                if file.package == package:
                    blocks.extend(FileSection(file, page_of).lines())
        pages[page] = "\n\n".join(blocks) + "\n"
    pages["errors.md"] = make_errors_page(files)
    return pages


def make_errors_page(files: Sequence[FileDescriptorProto]) -> str:
    """Returns the Markdown of the page that lists every error reason."""
    blocks = ["# Error reasons", NOTE, _ERRORS_INTRODUCTION]
    for heading, reasons in groupby(read_reasons(files), lambda reason: reason.section):
        rows = [
            (f"`{each.name}`", each.code, *map(escaped, (each.occurrence, each.remedy, each.metadata)))
            for each in reasons
        ]
        blocks += [f"## {heading}", _table(("Reason", "Code", "When", "What to do", "Metadata"), rows)]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Returns plain text as Markdown."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _anchor(name: str) -> str:
    return f'<a id="{name}"></a>'


def _last(type_name: str) -> str:
    return type_name.rpartition(".")[2]


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "docs"
    for file_name, text in make_pages().items():
        (folder / file_name).write_text(text)
