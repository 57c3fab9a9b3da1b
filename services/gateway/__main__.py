"""Runs a gateway: ``python -m services.gateway``."""

import asyncio
import sys

from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings
from services.shared.arguments import check_arguments
from services.shared.logging import configure_logging, get_logger
from services.shared.metrics_server import serve_metrics
from services.shared.process import collect_garbage_rarely, end_process, stop_on_signals
from services.shared.queue.brokers import open_broker
from services.shared.settings import read_settings

log = get_logger(__name__)


async def run(settings: GatewaySettings) -> int:
    """Serves until a signal, which ends the process; returns the exit code if the start failed."""
    stop = stop_on_signals()
    broker = open_broker(settings.rabbitmq_url)
    app = GatewayApp(settings, broker)
    try:
        await app.start()
    except RuntimeError as error:
        log.error("gateway_not_started", listen=settings.listen, error=str(error))
        return 1
    await stop.wait()
    await app.drain()
    await asyncio.to_thread(broker.close)
    end_process()


def main() -> None:
    """Reads the settings, configures logging and runs a gateway."""
    check_arguments("services.gateway", "Serves the public API.", GatewaySettings)
    settings = read_settings(GatewaySettings)
    configure_logging("gateway", settings.log_level)
    collect_garbage_rarely()
    with serve_metrics(settings.metrics_listen):
        sys.exit(asyncio.run(run(settings)))


if __name__ == "__main__":
    main()
