"""Interface of cool-downs."""

from typing import Protocol


class Cooldowns(Protocol):
    """Cool-downs by key. Keys are opaque. Each stands for a provider and a model."""

    def remaining(self, key: str) -> float:
        """Returns the rest of a cool-down, in seconds. 0 if none is known. Cheap: it never waits."""

    def longest(self) -> float:
        """Returns the rest of the longest cool-down known to this process, in seconds. 0 if there is none."""

    def hold(self, key: str, seconds: float) -> None:
        """Starts a cool-down. It never shortens a longer one."""

    async def close(self) -> None:
        """Ends the background work. Safe to repeat."""
