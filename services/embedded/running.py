"""Runs the embedded system until a signal."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from headrace.errors import HeadraceError
from services.embedded.app import EmbeddedApp
from services.embedded.settings import EmbeddedSettings
from services.shared.logging import get_logger
from services.shared.process import stop_on_signals

log = get_logger(__name__)


def announce(target: str) -> None:
    """Prints the address of the gateway. A full or closed output does not end the system."""
    with suppress(OSError):
        print(f"Headrace is ready: gateway at {target}", flush=True)


async def run(settings: EmbeddedSettings, on_ready: Callable[[str], None] = announce) -> int:
    """Runs until a signal, which also cancels a start that is still waiting; returns the exit code.

    Args:
        settings: Settings of the embedded system.
        on_ready: Called with the address of the gateway once it serves. Default: prints it.
    """
    stopping = asyncio.create_task(stop_on_signals().wait())
    app = EmbeddedApp(settings)
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            log.info("embedded_started", target=app.target)
            on_ready(app.target)
            await stopping
    except (HeadraceError, RuntimeError) as error:
        log.error("embedded_not_started", listen=settings.listen, error=str(error))
        return 1
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await app.stop()
    return 0
