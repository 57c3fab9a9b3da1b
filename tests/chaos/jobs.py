"""The jobs of a storm: every item of every job asks the provider something that no other asks."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from headrace import JobClass

LABELS = ["Engineering", "Design", "Sales", "Finance"]
TITLES = ["Software Engineer", "Product Designer", "Account Executive", "Controller"]
# A rate limit holds up a model; several keep the others going.
MODELS = [f"stand-in-{number}" for number in range(1, 7)]
_PROMPT = re.compile(r"Posting (\S+)/(\d+): ")


@dataclass
class StormJob:
    """One job.

    Attributes:
        mark: Names it in its prompts; also its request_id.
        item_count: Items so far; of an upload it grows.
        job_class: Its class.
        is_upload: Whether its items come one by one.
        job_id: Once it was accepted.
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
        """Yields items until they may end, with a pause after each, and counts them."""
        while not (may_end() and self.item_count):
            yield self._item(self.item_count)
            self.item_count += 1
            await pause()

    def _item(self, index: int) -> dict[str, str]:
        return {"number": f"{self.mark}/{index}", "title": TITLES[index % len(TITLES)]}


def hash_of(mark: str) -> int:
    """Returns the same number for the same mark in every process."""
    return sum(mark.encode())


def place_of(prompt: str) -> tuple[str, int]:
    """Returns the mark and the item_index that a prompt was made of.

    Raises:
        ValueError: It is no prompt of a storm.
    """
    found = _PROMPT.match(prompt)
    if found is None:
        raise ValueError(f"no prompt of a storm: {prompt}")
    return found[1], int(found[2])
