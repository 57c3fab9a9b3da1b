"""Runs a worker: ``python -m services.worker``."""

import asyncio
import sys

from services.shared.arguments import check_arguments
from services.shared.logging import configure_logging, get_logger
from services.shared.metrics_server import serve_metrics
from services.shared.process import collect_garbage_rarely, stop_on_signals
from services.shared.queue.brokers import open_broker
from services.shared.settings import read_settings
from services.worker.app import WorkerApp
from services.worker.calls.provider.profiles import read_profiles
from services.worker.settings import WorkerSettings

log = get_logger(__name__)


async def run(settings: WorkerSettings) -> int:
    """Runs until a signal, or until another worker takes the address; returns the exit code."""
    stop = stop_on_signals()
    app = WorkerApp(settings, open_broker(settings.rabbitmq_url))
    starting = asyncio.create_task(app.start())
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(app.ended.wait())]
    await asyncio.wait([starting, *waits], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        try:
            starting.result()
        except RuntimeError as error:
            log.error("worker_not_started", listen=settings.listen, error=str(error))
            return 1
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    else:
        starting.cancel()
        await asyncio.wait([starting])
    await app.stop()
    for wait in waits:
        wait.cancel()
    return 1 if app.ended.is_set() else 0


def main() -> None:
    """Reads the settings, sets up logging, and runs the worker."""
    check_arguments("services.worker", "Runs the items of jobs.", WorkerSettings)
    settings = read_settings(WorkerSettings, provider_profiles=read_profiles)
    configure_logging("worker", settings.log_level)
    collect_garbage_rarely()
    with serve_metrics(settings.metrics_listen):
        sys.exit(asyncio.run(run(settings)))


if __name__ == "__main__":
    main()
