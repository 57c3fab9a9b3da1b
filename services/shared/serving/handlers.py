"""The services of a server, kept apart from the gRPC server that serves them."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc


class ServiceHandlers:
    """Handlers that generated code has added, for every gRPC server that is built with them.

    Pass it as ``server`` to the generated ``add_...Servicer_to_server``.
    """

    def __init__(self) -> None:
        self._generic: list[Any] = []
        self._registered: dict[str, Mapping[str, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Adds handlers that find their methods on their own."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Adds the handlers of a service's methods."""
        self._registered[service] = handlers

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds all handlers to a server that has not started."""
        server.add_generic_rpc_handlers(self._generic)
        for service, handlers in self._registered.items():
            server.add_registered_method_handlers(service, handlers)
