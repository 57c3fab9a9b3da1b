"""Interface of the outages that workers share."""

from typing import Protocol

from services.worker.calls.outages.outage import Outage


class Outages(Protocol):
    """Outages by key. Keys are ``provider/model``. Only ``take_probe`` may wait."""

    def find(self, key: str) -> Outage | None:
        """Returns the outage of a key. None if this process knows of none."""

    def begin(self, key: str, reason: str, message: str) -> None:
        """Begins an outage, unless one is known."""

    async def take_probe(self, key: str) -> str | None:
        """Returns a token if the caller may probe now.

        No one else may for 30 s, until the probe ends. None if there is no outage, if no probe is due, or if
        another one is in flight.
        """

    def fail_probe(self, key: str, token: str, reason: str, message: str) -> None:
        """Ends a probe that failed, and schedules the next one."""

    def drop_probe(self, key: str, token: str) -> None:
        """Ends a probe without an outcome. The next one may begin at once."""

    def end(self, key: str) -> None:
        """Ends an outage."""

    async def close(self) -> None:
        """Ends the background work. Safe to repeat."""
