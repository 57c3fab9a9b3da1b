"""The life of a service's process: until a signal asks it to stop."""

import asyncio
import os
import signal
from typing import NoReturn


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
