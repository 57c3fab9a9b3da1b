"""The embedded system, from start to stop: the three services, and gRPC on loopback, in one process."""

from typing import Any

from services.embedded.settings import EmbeddedSettings
from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings
from services.results.app import ResultsApp
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.shared.queue.brokers import MEMORY_URL, open_broker
from services.shared.settings import ServiceSettings
from services.worker.app import WorkerApp
from services.worker.settings import WorkerSettings

ANY_PORT = "127.0.0.1:0"


class EmbeddedApp:
    """The results service, a worker and a gateway, with the queue in memory.

    A restart loses nothing: the store is on disk, and heartbeats bring the work back.

    Args:
        settings: Settings of the embedded system.
    """

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self._started: list[ResultsApp | WorkerApp | GatewayApp] = []
        self.target = ""

    async def start(self) -> None:
        """Creates or migrates the database, then starts the results service, the worker and the gateway."""
        await migrate(self._settings.database_url)
        results = ResultsApp(ResultsSettings(**self._common(ResultsSettings) | {"listen": ANY_PORT}))
        await self._start(results)
        broker = open_broker(MEMORY_URL)
        addresses = {"results_target": results.target, "rabbitmq_url": MEMORY_URL}
        worker_settings = self._common(WorkerSettings) | addresses | {"listen": ANY_PORT}
        await self._start(WorkerApp(WorkerSettings(**worker_settings), broker))
        gateway = GatewayApp(GatewaySettings(**self._common(GatewaySettings) | addresses), broker)
        await self._start(gateway)
        self.target = gateway.target

    async def stop(self) -> None:
        """Stops the services, the last started first."""
        while self._started:
            await self._started.pop().stop()

    async def _start(self, app: ResultsApp | WorkerApp | GatewayApp) -> None:
        self._started.append(app)  # before the start: a start that is broken off must be stopped too
        await app.start()

    def _common(self, settings_class: type[ServiceSettings]) -> dict[str, Any]:
        """Returns the settings that a service shares with the embedded system."""
        names = settings_class.model_fields.keys() & EmbeddedSettings.model_fields.keys()
        return {name: getattr(self._settings, name) for name in names}
