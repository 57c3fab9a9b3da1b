"""The seam for cool-downs."""

from typing import Protocol


class Cooldowns(Protocol):
    """How long models shall be left alone. Keys are opaque; one names a provider and a model."""

    def remaining(self, key: str) -> float:
        """Returns the seconds still to wait; 0 where nothing is known. Cheap: ask before each call."""

    def longest(self) -> float:
        """Returns the seconds of the longest cool-down that this process knows of; 0: it knows of none."""

    def hold(self, key: str, seconds: float) -> None:
        """Starts a cool-down. It never shortens one that lasts longer already."""

    async def close(self) -> None:
        """Ends what runs in the background. Safe to repeat."""
