"""The command line of Headrace."""

import os
import signal
import sys

_BAD_USE = 2
_INTERRUPTED = 130


def main() -> None:
    """Runs the command ``headrace`` with the arguments of the process, and exits with its code."""
    # A script that starts us in the background ignores SIGINT for us, and then could not make us detach.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log lines about connections do not help here
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file at this point
    try:
        from headrace._cli.app import app

        app(prog_name="headrace")
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print("The command line needs: pip install 'headrace[cli]'", file=sys.stderr)
        sys.exit(_BAD_USE)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
