"""Reads files as blocks of prose: docstrings, comments, paragraphs and headings."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Position of a block of prose in its file."""

    MODULE_DOCSTRING = "module docstring"
    DOCSTRING = "docstring"
    BOOLEAN_DOCSTRING = "docstring of a property"
    COMMENT = "comment"
    PROTO_COMMENT = "proto comment"
    PARAGRAPH = "paragraph"
    HEADING = "heading"


ANY = frozenset(Kind)
STATEMENTS = frozenset({Kind.MODULE_DOCSTRING, Kind.DOCSTRING})
OPENINGS = STATEMENTS | {Kind.BOOLEAN_DOCSTRING, Kind.PROTO_COMMENT, Kind.HEADING}


@dataclass(frozen=True)
class Block:
    """Prose that is read as one text.

    Attributes:
        kind: Kind of prose.
        line: Line of the file on which the text begins, from 1.
        text: Text, with its line breaks and without comment marks.
    """

    kind: Kind
    line: int
    text: str


def read_python(source: str) -> Iterator[Block]:
    """Yields the docstrings of a module, its classes and functions, then its comments.

    Raises:
        SyntaxError: The source is not valid Python.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstring(node, source)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    yield from _join(Kind.COMMENT, [(t.start[0], t.start[1], t.string.lstrip("#!")) for t in comments])


def read_proto(source: str) -> Iterator[Block]:
    """Yields the ``//`` comments of a proto file; neighbouring lines are one block."""
    lines = []
    for number, line in enumerate(source.splitlines(), 1):
        if match := re.match(r'((?:[^"/]|"(?:[^"\\]|\\.)*"|/(?!/))*)//(.*)', line):
            lines.append((number, match.end(1), match[2]))
    yield from _join(Kind.PROTO_COMMENT, lines)


def read_markdown(source: str) -> Iterator[Block]:
    """Yields headings, paragraphs, list items and table rows outside code fences."""
    kept: list[str] = []
    fence = ""
    for number, line in enumerate([*source.splitlines(), ""], 1):
        mark = re.match(r"\s*(```|~~~)", line)
        fence = _fence(fence, mark[1] if mark else "")
        is_heading = not fence and bool(re.match(r"#+ ", line))
        if kept and (
            fence or mark or is_heading or not line.strip() or re.match(r"\s*([-*+|]|\d+\.)\s", line)
        ):
            yield Block(Kind.PARAGRAPH, number - len(kept), "\n".join(kept))
            kept = []
        if is_heading:
            yield Block(Kind.HEADING, number, line.lstrip("# "))
        elif line.strip() and not (fence or mark):
            kept.append(line)


READERS: dict[str, Callable[[str], Iterator[Block]]] = {
    ".py": read_python,
    ".proto": read_proto,
    ".md": read_markdown,
}


def _docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, source: str
) -> Iterator[Block]:
    if ast.get_docstring(node, clean=False) is None:
        return
    statement = node.body[0]
    written = re.sub(r"\A[rRuU]?(\"\"\"|'''|\"|')", "", ast.get_source_segment(source, statement) or "")
    yield Block(_kind(node), statement.lineno, written.rstrip("\"'"))


def _kind(node: ast.AST) -> Kind:
    if isinstance(node, ast.Module):
        return Kind.MODULE_DOCSTRING
    decorators = getattr(node, "decorator_list", [])
    is_property = any(ast.unparse(decorator).endswith("property") for decorator in decorators)
    return Kind.BOOLEAN_DOCSTRING if is_property else Kind.DOCSTRING


def _join(kind: Kind, lines: Sequence[tuple[int, int, str]]) -> Iterator[Block]:
    """Joins comments that stand one below the other in the same column."""
    start, column, kept = 0, 0, list[str]()
    for number, at, text in lines:
        if kept and (number != start + len(kept) or at != column):
            yield Block(kind, start, "\n".join(kept))
            kept = []
        if not kept:
            start, column = number, at
        kept.append(text)
    if kept:
        yield Block(kind, start, "\n".join(kept))


def _fence(current: str, mark: str) -> str:
    """Returns the open fence after a line: a fence is closed by its own mark alone."""
    if not mark:
        return current
    if not current:
        return mark
    return "" if mark == current else current
