"""The three services in one process: the same code and the same gRPC on loopback, other adapters."""

from services.embedded.settings import EmbeddedSettings
from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings
from services.results.app import ResultsApp
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.shared.queue.brokers import MEMORY_URL, open_broker
from services.worker.app import WorkerApp
from services.worker.settings import WorkerSettings

ANY_PORT = "127.0.0.1:0"


class EmbeddedApp:
    """Results, a worker and a gateway, with the queue in memory.

    A restart loses nothing: the store is on disk, and heartbeats bring the work back.

    Args:
        settings: From the environment.
    """

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self._started: list[ResultsApp | WorkerApp | GatewayApp] = []
        self.target = ""

    async def start(self) -> None:
        """Makes the database if there is none, then starts results, the worker and the gateway."""
        settings = self._settings
        await migrate(settings.database_url)
        drain_seconds = settings.drain_seconds
        results = ResultsApp(
            ResultsSettings(
                listen=ANY_PORT,
                database_url=settings.database_url,
                retention_hours=settings.retention_hours,
                drain_seconds=drain_seconds,
            )
        )
        await self._start(results)
        broker = open_broker(MEMORY_URL)
        worker = WorkerApp(
            WorkerSettings(
                listen=ANY_PORT,
                results_target=results.target,
                rabbitmq_url=MEMORY_URL,
                redis_url=settings.redis_url,
                model=settings.model,
                cache_hours=settings.cache_hours,
                prices_file=settings.prices_file,
                in_flight_limit=settings.in_flight_limit,
                limits=settings.limits,
                tenant_concurrency=settings.tenant_concurrency,
                log_level=settings.log_level,
                drain_seconds=drain_seconds,
            ),
            broker,
        )
        await self._start(worker)
        gateway = GatewayApp(
            GatewaySettings(
                listen=settings.listen,
                results_target=results.target,
                rabbitmq_url=MEMORY_URL,
                model=settings.model,
                prices_file=settings.prices_file,
                gateway_resync_seconds=settings.gateway_resync_seconds,
                drain_seconds=drain_seconds,
            ),
            broker,
        )
        await gateway.start()
        self._started.append(gateway)
        self.target = gateway.target

    async def stop(self) -> None:
        """Drains the services, the last started first."""
        while self._started:
            await self._started.pop().stop()

    async def _start(self, app: ResultsApp | WorkerApp) -> None:
        self._started.append(app)  # one whose start is broken off has things to stop too
        await app.start()
