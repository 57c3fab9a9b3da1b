"""The command line of Headrace."""

import os
import sys

_BAD_USE = 2
_INTERRUPTED = 130


def main() -> None:
    """Runs the command ``headrace`` with the arguments of the process, and exits with its code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log lines about connections do not help here
    try:
        from headrace._cli.process.streams import prepare_streams, treat_signals_alike

        treat_signals_alike()
        prepare_streams()
        from headrace._cli.execution import run_application

        sys.exit(run_application(sys.argv[1:]))
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "yaml"):
            raise
        print("The command line needs: pip install 'headrace[cli]'", file=sys.stderr)
        sys.exit(_BAD_USE)
    except KeyboardInterrupt:  # before the command has begun
        sys.exit(_INTERRUPTED)
