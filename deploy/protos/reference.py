"""The API reference, from the comments of the protos: ``python -m deploy.protos.reference [FOLDER]``."""

import sys
from collections.abc import Iterator, Mapping, Sequence
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

PAGES = {
    "api.md": ("API reference", ["headrace.gateway.v1", "headrace.jobs.v1"]),
    "internal-api.md": (
        "Contracts between the services",
        ["headrace_internal.results.v1", "headrace_internal.worker.v1"],
    ),
}
NOTE = "<!-- Made from the comments in protos/ by `make protos`; change them there. -->"


class FileSection:
    """The part of a page about one proto file.

    Args:
        file: The file, with source locations.
        pages: Of each of Headrace's packages the page that tells about it.
    """

    def __init__(self, file: FileDescriptorProto, pages: Mapping[str, str]) -> None:
        self._file = file
        self._pages = pages
        self._comments = Comments(file)
        self._messages = {f".{file.package}.{message.name}": i for i, message in enumerate(file.message_type)}

    def lines(self) -> Iterator[str]:
        """Yields Markdown: services, each call with request and response; other messages; enums."""
        yield f"## {self._file.package}"
        yield from self._paragraphs([PACKAGE])
        for i, service in enumerate(self._file.service):
            yield f"### {service.name}"
            yield from self._paragraphs([SERVICE, i])
            yield ", ".join(f"[{method.name}](#{method.name.lower()})" for method in service.method)
            for j, method in enumerate(service.method):
                yield from self._method(method, [SERVICE, i, MEMBER, j])
        told = {name for s in self._file.service for m in s.method for name in (m.input_type, m.output_type)}
        for name, i in self._messages.items():
            if name not in told:
                yield f"### {self._file.message_type[i].name}"
                yield from self._message(i)
        for i, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, enum.name, [ENUM, i])

    def _method(self, method: MethodDescriptorProto, path: Sequence[int]) -> Iterator[str]:
        sent = "stream of " * method.client_streaming + self._named(method.input_type)
        answered = "stream of " * method.server_streaming + self._named(method.output_type)
        yield f"#### {method.name}"
        yield f"{sent} → {answered}"
        yield from self._paragraphs(path)
        for name in dict.fromkeys((method.input_type, method.output_type)):
            if name in self._messages:
                yield f"**{_last(name)}**"
                yield from self._message(self._messages[name])

    def _message(self, index: int) -> Iterator[str]:
        message = self._file.message_type[index]
        yield _anchor(f"{self._file.package}.{message.name}") + "\n" + self._text([MESSAGE, index])
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
        yield _anchor(f"{self._file.package}.{name}") + "\n" + self._text(path)
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

    def _paragraphs(self, path: Sequence[int]) -> Iterator[str]:
        yield from map(_escaped, self._comments.paragraphs(path))

    def _text(self, path: Sequence[int]) -> str:
        return " ".join(self._paragraphs(path))


def make_pages() -> dict[str, str]:
    """Returns the Markdown of each page by its file name."""
    files = {file.package: file for file in read_files()}
    page_of = {package: page for page, (_, packages) in PAGES.items() for package in packages}
    missing = sorted(files.keys() ^ page_of.keys())
    if missing:
        raise SystemExit(f"{Path(__file__).name}: PAGES and protos/ do not name the same packages: {missing}")
    made = {}
    for page, (title, packages) in PAGES.items():
        lines = [f"# {title}", NOTE]
        for package in packages:
            lines.extend(FileSection(files[package], page_of).lines())
        made[page] = "\n\n".join(lines) + "\n"
    return made


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _anchor(name: str) -> str:
    return f'<a id="{name}"></a>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*")


def _last(type_name: str) -> str:
    return type_name.rpartition(".")[2]


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "docs"
    for file_name, text in make_pages().items():
        (folder / file_name).write_text(text)
