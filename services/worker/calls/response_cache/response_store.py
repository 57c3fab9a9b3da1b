"""The seam for where answers are kept: commands, many in one exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Claim:
    """Asks what is at a key, and puts a mark there where nothing is; the answer is what was there."""

    key: str
    mark: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Renew:
    """Lets a mark last on, also where it was lost; nothing happens where something else is at the key."""

    key: str
    mark: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Put:
    """Puts a value at a key, whatever was there."""

    key: str
    value: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Removes a value or a mark, where it is still what is at the key."""

    key: str
    value: bytes


Command = Claim | Renew | Put | Drop


class StoreAwayError(Exception):
    """The store did not answer; some of the commands may have been carried out, and some may be later."""


class ResponseStore(Protocol):
    """Values by key, each for a time. It may forget any of them at any moment."""

    async def run(self, commands: Sequence[Command]) -> list[bytes | None]:
        """Carries commands out in their order, in one exchange; returns an answer for each.

        Only a Claim has one that is not None.

        Raises:
            StoreAwayError: The store cannot be reached, or refuses.
        """

    async def close(self) -> None:
        """Lets go of all connections. Safe to repeat."""
