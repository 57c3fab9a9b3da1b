"""Runs the embedded system: ``python -m services.embedded``."""

import asyncio
import sys

from headrace.errors import HeadraceError
from services.embedded.app import EmbeddedApp
from services.embedded.settings import EmbeddedSettings
from services.shared.logging import configure_logging, get_logger
from services.shared.metrics_server import serve_metrics
from services.shared.process import collect_garbage_rarely, stop_on_signals
from services.shared.settings import read_settings
from services.worker.calls.provider.profiles import read_profiles

log = get_logger(__name__)


async def run(settings: EmbeddedSettings) -> int:
    """Runs until a signal, which also cancels a start that is still waiting; returns the exit code."""
    stopping = asyncio.create_task(stop_on_signals().wait())
    app = EmbeddedApp(settings)
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            log.info("embedded_started", target=app.target)
            print(f"Headrace is ready: gateway at {app.target}", flush=True)
            await stopping
    except (HeadraceError, RuntimeError) as error:
        log.error("embedded_not_started", listen=settings.listen, error=str(error))
        return 1
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await app.stop()
    return 0


def main() -> None:
    """Reads the settings, configures logging and runs the embedded system."""
    settings = read_settings(EmbeddedSettings, provider_profiles=read_profiles)
    configure_logging("embedded", settings.log_level)
    collect_garbage_rarely()
    with serve_metrics(settings.metrics_listen):
        sys.exit(asyncio.run(run(settings)))


if __name__ == "__main__":
    main()
