"""Runs the embedded system until a signal."""

import asyncio
from contextlib import suppress

from headrace.errors import HeadraceError
from services.embedded.app import EmbeddedApp
from services.embedded.settings import EmbeddedSettings
from services.shared.logging import get_logger
from services.shared.process import stop_on_signals

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
            with suppress(OSError):  # a full or closed output does not end the system
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
