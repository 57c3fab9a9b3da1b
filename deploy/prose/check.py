"""Finds the files of a tree and what the rules refuse in them."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.prose.blocks import READERS, Block
from deploy.prose.rules import RULES, Rule

# Folders and files that are read, from the root of the repository.
READ = ("services", "clients", "deploy", "tests", "examples", "protos", "docs", ".github")
# Files written by others or by a program.
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "build", ".venv", ".run"}
_SKIPPED_PATHS = ("protos/buf/",)
_GENERATED_PAGE = re.compile(r"<!-- (?:Made|Generated|Written) (?:from|by)", re.IGNORECASE)
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A place where prose breaks a rule.

    Attributes:
        path: File, relative to the root.
        line: Line of the offending words, from 1.
        rule: Rule that was broken.
    """

    path: Path
    line: int
    rule: Rule

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule.name} ({self.rule.advice})"


def find_files(root: Path, paths: Sequence[Path] = ()) -> Iterator[Path]:
    """Yields the files to read, in order.

    Args:
        root: Root of the repository.
        paths: Files and folders to narrow the check to, relative to the root. Everything if empty.
    """
    chosen = paths or [
        *(Path(folder) for folder in READ),
        *(path.relative_to(root) for path in sorted(root.glob("*.md"))),
    ]
    for path in chosen:
        for found in [path] if (root / path).is_file() else _walk(root, path):
            if found.suffix in READERS and "_pb2" not in found.name and not _is_foreign(found):
                yield found


def check(root: Path, paths: Sequence[Path] = ()) -> Iterator[Finding]:
    """Yields the findings of a tree, file by file.

    Args:
        root: Root of the repository.
        paths: Files and folders to narrow the check to, relative to the root. Everything if empty.

    Raises:
        SyntaxError: A Python file cannot be parsed.
    """
    for path in find_files(root, paths):
        source = (root / path).read_text(encoding="utf-8")
        if path.suffix == ".md" and _GENERATED_PAGE.search(source[:500]):
            continue
        found = [finding for block in READERS[path.suffix](source) for finding in check_block(path, block)]
        yield from sorted(found, key=lambda finding: finding.line)


def check_block(path: Path, block: Block) -> Iterator[Finding]:
    """Yields each place where one block breaks a rule. Quoted code is not prose."""
    text = _CODE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), block.text)
    for rule in RULES:
        if block.kind in rule.kinds:
            for match in rule.pattern.finditer(text):
                yield Finding(path, block.line + text.count("\n", 0, match.start()), rule)


def _walk(root: Path, folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root / folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            yield Path(parent, name).relative_to(root)


def _is_foreign(path: Path) -> bool:
    return path.as_posix().startswith(_SKIPPED_PATHS)
