"""The command line of Headrace."""

import os
import signal
import sys


def main() -> None:
    """Runs the command ``headrace`` with the arguments of the process, and exits with its code."""
    # A script that runs us in its background has SIGINT ignored, and could not make us detach.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines about connections are of no use here
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file at this point
    try:
        from headrace._cli.app import app

        app(prog_name="headrace")
    except KeyboardInterrupt:
        sys.exit(130)
