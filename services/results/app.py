"""The results service: start, drain, stop."""

import asyncio
from typing import Any

from headrace.errors import HeadraceError, UnavailableError
from headrace.reasons import ErrorReason
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.failures import ContentRefusedError
from services.results.database.migrations import check_schema
from services.results.database.reachability import ReachabilityCheck
from services.results.database.store_identity import identify_store
from services.results.pages.backlog import Backlog
from services.results.purging.purger import Purger
from services.results.servicer import ResultsServicer
from services.results.settings import ResultsSettings
from services.shared.logging import get_logger
from services.shared.serving.readiness import Need, Readiness, address_of
from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.shared.validation.checked_servicer import CheckedServicer
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

log = get_logger(__name__)

# Delay before the schema is read again after the database failed, in seconds.
RETRY_SECONDS = 1.0


def _database_awaited() -> HeadraceError:
    return UnavailableError(
        "the results service has not reached its database yet; repeat the call",
        reason=ErrorReason.STORE_UNAVAILABLE,
    )


class ResultsApp:
    """The results service in this process.

    Args:
        settings: Settings of the service.
        clock: Clock of the transactions, which tests move. Default: the database's own.
    """

    def __init__(self, settings: ResultsSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._server = RpcServer(settings.listen, INTERNAL_MESSAGE_BYTES)
        retention = int(settings.retention_hours * 3_600_000_000) or None
        self._database = Database(settings.database_url, clock, retention=retention)
        self._purger = Purger(self._database, settings.retention_hours)
        address = address_of(settings.database_url)
        database_need = Need("database", address)
        self._check = ReachabilityCheck(self._database, database_need)
        self._schema_need = Need("schema", address, lasting=True)
        self._readiness = Readiness([database_need, self._schema_need], self._server.report_ready)
        self._backlog = Backlog(self._database)

    @property
    def target(self) -> str:
        """Address of its gRPC server as ``host:port``, once started."""
        return self._server.target

    async def start(self) -> None:
        """Waits for the database, then serves calls and purges.

        Meanwhile the port is open, health reports NOT_SERVING, and calls are answered UNAVAILABLE.

        Raises:
            FailedPreconditionError: The schema of the database is older or missing (SCHEMA_OUTDATED).
            RuntimeError: The address cannot be bound.
        """
        service = results_pb2.DESCRIPTOR.services_by_name["ResultsService"]
        servicer: Any = CheckedServicer(ResultsServicer(self._database), service, refusal=ContentRefusedError)
        results_pb2_grpc.add_ResultsServiceServicer_to_server(servicer, self._server.server)
        self._server.hold_calls(_database_awaited)
        await self._server.start([service], ready=False)
        self._check.start()
        self._readiness.start()
        await self._check_schema()
        self._server.accept_calls()
        self._purger.start()
        if self._settings.metrics_listen is not None:
            self._backlog.start()
        log.info("results_started", target=self.target, sqlite=self._database.sqlite)

    async def _check_schema(self) -> None:
        while True:
            await self._check.wait_until_reached()
            try:
                await check_schema(self._database)
                await identify_store(self._database)
            except UnavailableError:  # it was reached a moment ago
                await asyncio.sleep(RETRY_SECONDS)
            else:
                break
        self._schema_need.note_answer()

    async def drain(self) -> None:
        """Waits up to drain_seconds for running calls to end, then closes the database."""
        await self._server.report_not_serving()
        await self._readiness.stop()
        await self._check.stop()
        await self._purger.stop()
        await self._backlog.stop()
        await self._server.drain(self._settings.drain_seconds)
        await self._database.close()
        log.info("results_stopped")

    async def stop(self) -> None:
        """Drains and closes all connections."""
        await self.drain()
        await self._server.stop(0)
