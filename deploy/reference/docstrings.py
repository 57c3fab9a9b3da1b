"""Turns docstrings in Google form into Markdown."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):")
_ENTRY = re.compile(r"(\w+): (.*)")


@dataclass
class Docstring:
    """The parts of a docstring.

    Attributes:
        paragraphs: Text before the first section.
        sections: Entries of each section by name. Text without names is an entry with the name "".
    """

    paragraphs: list[str] = field(default_factory=list)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """First paragraph."""
        return self.paragraphs[0]


def parse_docstring(text: str) -> Docstring:
    """Returns the parts of a docstring, with its inline code as Markdown."""
    parts = Docstring()
    entries: dict[str, str] | None = None
    for block in inspect.cleandoc(text).split("\n\n"):
        head, *lines = block.split("\n")
        section = _SECTION.fullmatch(head)
        if section:
            entries = parts.sections.setdefault(section[1], {})
            _add_entries(entries, lines)
        else:
            parts.paragraphs.append(_markdown(" ".join(block.split())))
    return parts


def _add_entries(entries: dict[str, str], lines: list[str]) -> None:
    name = ""
    for line in inspect.cleandoc("\n".join(lines)).split("\n"):
        entry = _ENTRY.fullmatch(line)
        if entry:
            name = entry[1]
            entries[name] = _markdown(entry[2])
        else:
            entries[name] = f"{entries.get(name, '')} {_markdown(line.strip())}".strip()


def section_lines(docstring: Docstring, types: Mapping[str, str]) -> Iterator[str]:
    """Yields the Markdown of a docstring after its title: paragraphs, then each section as a list.

    Args:
        docstring: Docstring to render.
        types: Types of arguments or attributes by name, shown with their entries.
    """
    yield from docstring.paragraphs
    for title, entries in docstring.sections.items():
        if list(entries) == [""]:
            yield f"{title}: {entries['']}"
            continue
        label = "Arguments" if title == "Args" else title
        yield f"{label}:\n\n" + "\n".join(_item(name, text, types) for name, text in entries.items())


def _item(name: str, text: str, types: Mapping[str, str]) -> str:
    kind = f" (`{types[name]}`)" if name in types else ""
    return f"- `{name}`{kind}: {text}" if name else f"- {text}"


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("<", "&lt;").replace("*", "\\*")
