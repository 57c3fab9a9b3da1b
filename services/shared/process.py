"""The life of a service's process: until a signal asks it to stop."""

import asyncio
import gc
import os
import signal
from typing import NoReturn

# Objects made and not freed before the youngest are looked through for cycles. What a service makes for a
# call is freed without it, and with Python's own 700 a worker spends a quarter of its time on looking.
_GARBAGE_THRESHOLD = 50_000


def collect_garbage_rarely() -> None:
    """Has Python look for garbage less often, and never among what is there now; call it before the work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 50)


def stop_on_signals() -> asyncio.Event:
    """Returns an event that SIGTERM or SIGINT sets; a second signal ends the process at once (exit code 1).

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


def end_process() -> NoReturn:
    """Ends this process with exit code 0, at once: nothing of Python or gRPC is shut down in order.

    The kernel closes the connections, which callers see as UNAVAILABLE, and repeat. gRPC's own end would
    answer calls that have just come in with CANCELLED. Call it when everything else is closed.
    """
    os._exit(0)
