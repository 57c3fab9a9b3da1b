"""Starts, stops and removes the local stack: ``python -m deploy.local``."""

import argparse
import sys

from deploy.local.errors import LocalStackError
from deploy.local.paths import run_directory
from deploy.local.stack import LocalStack


def main(argv: list[str] | None = None) -> int:
    """Runs the command that the arguments name.

    Returns:
        0, or 1 if it failed, or 130 if it was interrupted.
    """
    arguments = _parser().parse_args(argv)
    stack = LocalStack(run_directory(), spare_ports=getattr(arguments, "spare_ports", False))
    try:
        if arguments.command == "up":
            _up(stack, arguments.workers, arguments.gateways)
        elif arguments.command == "down":
            stopped = stack.down()
            print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
        elif arguments.command == "clean":
            stack.clean()
            print(f"Removed {stack.run_dir}.")
        else:
            stack.install()
    except (LocalStackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Whatever has started keeps running. Stop it with: make down", file=sys.stderr)
        return 130
    return 0


def _up(stack: LocalStack, workers: int, gateways: int) -> None:
    targets = stack.up(workers, gateways)
    plural = "s" if workers > 1 else ""
    print(f"Headrace is up with {workers} worker{plural}. The gateway listens at {', '.join(targets)}.")
    print(f"The workers call {stack.provider_label()}.")
    print(f"Logs and pid files: {stack.run_dir}. Stop with: make down")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything that is not running, and return when all is ready")
    up.add_argument("--workers", type=int, default=2)
    up.add_argument("--gateways", type=int, default=1)
    up.add_argument(
        "--spare-ports", action="store_true", help="use free ports, next to another stack on this machine"
    )
    commands.add_parser("down", help="stop everything and keep the data")
    commands.add_parser("clean", help="stop everything and remove the data")
    commands.add_parser("install", help="install missing servers, or name them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
