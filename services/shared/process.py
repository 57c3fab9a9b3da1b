"""The life of a service's process: until a signal asks it to stop."""

import asyncio
import os
import signal


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
