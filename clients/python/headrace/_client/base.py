"""The part of the asynchronous client that all groups of calls share."""

from types import TracebackType
from typing import Self

from headrace._running.mapping import OpenMaps
from headrace._transport.connection import GatewayConnection
from headrace._transport.targets import gateway_target


class ClientBase:
    """Opens and closes the connection of a client."""

    def __init__(
        self,
        target: str | None = None,
        tenant: str | None = None,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 30.0,
        resume_timeout: float = 300.0,
    ) -> None:
        self.target = gateway_target(target)
        self._connection = GatewayConnection(
            self.target,
            tenant,
            timeout=timeout,
            connect_timeout=connect_timeout,
            resume_timeout=resume_timeout,
        )
        self._maps = OpenMaps()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels calls under way and closes the connection. A second call does nothing.

        Jobs of a ``map`` that was not read to its end are cancelled.
        """
        await self._maps.cancel_all(self._connection)
        await self._connection.close()
