"""The results service: start, drain, stop."""

from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.migrations import check_schema
from services.results.pages.backlog import Backlog
from services.results.purging.purger import Purger
from services.results.servicer import ResultsServicer
from services.results.settings import ResultsSettings
from services.shared.logging import get_logger
from services.shared.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

log = get_logger(__name__)


class ResultsApp:
    """The results service in this process.

    Args:
        settings: Settings of the service.
        clock: Clock of the transactions, which tests move. Default: the database's own.
    """

    def __init__(self, settings: ResultsSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._server = RpcServer(settings.listen, INTERNAL_MESSAGE_BYTES)
        self._database = Database(settings.database_url, clock)
        self._purger = Purger(self._database, settings.retention_hours)
        self._backlog = Backlog(self._database)

    @property
    def target(self) -> str:
        """Address of its gRPC server as ``host:port``, once started."""
        return self._server.target

    async def start(self) -> None:
        """Starts to serve calls and to purge.

        Raises:
            FailedPreconditionError: The schema of the database is older or missing (SCHEMA_OUTDATED).
            UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
            RuntimeError: The address cannot be bound.
        """
        await check_schema(self._database)
        servicer = ResultsServicer(self._database)
        results_pb2_grpc.add_ResultsServiceServicer_to_server(servicer, self._server.server)
        await self._server.start([results_pb2.DESCRIPTOR.services_by_name["ResultsService"]])
        self._purger.start()
        if self._settings.metrics_listen is not None:
            self._backlog.start()
        log.info("results_started", target=self.target, sqlite=self._database.sqlite)

    async def drain(self) -> None:
        """Waits up to drain_seconds for running calls to end, then closes the database."""
        await self._purger.stop()
        await self._backlog.stop()
        await self._server.drain(self._settings.drain_seconds)
        await self._database.close()
        log.info("results_stopped")

    async def stop(self) -> None:
        """Drains and closes all connections."""
        await self.drain()
        await self._server.stop(0)
