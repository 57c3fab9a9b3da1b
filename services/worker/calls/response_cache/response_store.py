"""Interface of the store that keeps responses. Many commands go in one exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Claim:
    """Reads a key, and puts a mark there if it is empty. The reply is the value from before."""

    key: str
    mark: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Renew:
    """Extends the life of a mark, or restores a lost one. It has no effect if the key has another value."""

    key: str
    mark: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Put:
    """Puts a value at a key, and replaces any other.

    The owner is the tenant whose values make room for it in a full store of a single process. Empty: unknown.
    """

    key: str
    value: bytes
    seconds: float
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Removes a value or a mark if the key still has it."""

    key: str
    value: bytes


Command = Claim | Renew | Put | Drop


class StoreAwayError(Exception):
    """The store did not reply. Some commands may have been executed, and some may be executed later."""


class ResponseStore(Protocol):
    """Values by key, each with a lifetime. The store may forget any of them at any moment."""

    async def run(self, commands: Sequence[Command]) -> list[bytes | None]:
        """Executes commands in order, in one exchange.

        Returns:
            A reply for each command. It is None for every command except ``Claim``.

        Raises:
            StoreAwayError: The store cannot be reached, or refuses.
        """

    async def close(self) -> None:
        """Closes all connections. Safe to repeat."""
