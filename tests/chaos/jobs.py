"""Jobs of a storm. Every item of every job has a unique prompt."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from headrace import JobClass

LABELS = ["Engineering", "Design", "Sales", "Finance"]
TITLES = ["Software Engineer", "Product Designer", "Account Executive", "Controller"]
# A rate limit stops one model. With several models, calls to the others continue.
MODELS = [f"stand-in-{number}" for number in range(1, 7)]
_PROMPT = re.compile(r"Posting (\S+)/(\d+): ")


@dataclass
class StormJob:
    """One job.

    Attributes:
        mark: Identifies it in its prompts. Also its request_id.
        item_count: Number of items so far. Grows during an upload.
        job_class: Class of the job.
        is_upload: Whether its items are uploaded one by one.
        job_id: Id, once the job was accepted.
    """

    mark: str
    item_count: int
    job_class: JobClass
    is_upload: bool = False
    job_id: str = field(default="")

    @property
    def params(self) -> dict[str, Any]:
        """Params of ``llm.classify``."""
        model = MODELS[hash_of(self.mark) % len(MODELS)]
        return {"labels": LABELS, "template": "Posting {number}: {title}", "model": model}

    def items(self) -> list[dict[str, str]]:
        """Returns all items."""
        return [self._item(index) for index in range(self.item_count)]

    async def trickle(self, may_end: Callable[[], bool], pause: Callable[[], Any]) -> AsyncIterator[Any]:
        """Yields items and counts them, with a pause after each, until ``may_end`` returns True."""
        while not (may_end() and self.item_count):
            yield self._item(self.item_count)
            self.item_count += 1
            await pause()

    def _item(self, index: int) -> dict[str, str]:
        return {"number": f"{self.mark}/{index}", "title": TITLES[index % len(TITLES)]}


def hash_of(mark: str) -> int:
    """Returns the same number for the same mark in every process."""
    return sum(mark.encode())


def item_key_of(prompt: str) -> tuple[str, int]:
    """Returns the mark and the item_index of a prompt.

    Raises:
        ValueError: It is not a prompt of a storm.
    """
    found = _PROMPT.match(prompt)
    if found is None:
        raise ValueError(f"not a prompt of a storm: {prompt}")
    return found[1], int(found[2])
