"""Real job postings from the package network-jobs-data."""

import importlib.resources
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

PACKAGE = "network_jobs_data"
_SEED = 0


@dataclass(frozen=True)
class Posting:
    """A job posting.

    Attributes:
        category: Category chosen by its publisher.
        item: Fields that the model sees.
    """

    category: str
    item: dict[str, str]


def read_postings() -> list[Posting]:
    """Returns all postings, each once, in a fixed order that mixes the categories."""
    by_id: dict[int, dict[str, Any]] = {}
    for row in _rows():
        by_id.setdefault(row["id"], row)  # files of sub-categories repeat the postings of their category
    postings = [_posting(by_id[posting_id]) for posting_id in sorted(by_id)]
    random.Random(_SEED).shuffle(postings)
    return postings


def _rows() -> Iterator[dict[str, Any]]:
    for folder in sorted(importlib.resources.files(PACKAGE).iterdir(), key=lambda each: each.name):
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            # advisor.json and manifest.json are not lists of postings.
            if file.name.endswith(".json") and file.name not in ("advisor.json", "manifest.json"):
                yield from orjson.loads(file.read_bytes())


def _posting(row: dict[str, Any]) -> Posting:
    fields = ("title", "company", "department", "location")
    return Posting(row["category"], {name: row.get(name) or "" for name in fields})
