"""Life cycle of a service's process: garbage collection, signals and the end."""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

# Net number of new objects after which the youngest generation is collected. The objects of a call are freed
# without a collection. With Python's default of 700, a worker spends a quarter of its time on collections.
_GARBAGE_THRESHOLD = 50_000


def collect_garbage_rarely() -> None:
    """Makes garbage collection rare, and exempts all objects that exist now. Call it before work begins."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 50)


def stop_on_signals() -> asyncio.Event:
    """Returns an event that SIGTERM or SIGINT sets. A second signal exits at once, with code 1.

    Call it on the running loop, in the main thread.
    """
    stop = asyncio.Event()

    def handle() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, handle)
    return stop


def end_process(code: int = 0) -> NoReturn:
    """Exits at once, without an orderly shutdown of Python and gRPC.

    The kernel closes the connections. Callers see that as UNAVAILABLE and repeat their calls. gRPC's own
    shutdown would answer calls that have just arrived with CANCELLED. Call it when everything else is closed.

    Args:
        code: Exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or its reader is gone
            stream.flush()
    os._exit(code)
