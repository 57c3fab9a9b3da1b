"""Runs the stand-in until SIGTERM or SIGINT: ``python -m services.stand_in --port 8080``."""

import argparse
import asyncio
import sys

from services.shared.process import stop_on_signals
from services.stand_in.faults import Fault
from services.stand_in.server import StandIn


def main() -> None:
    """Parses the command line, then serves."""
    parser = argparse.ArgumentParser(
        prog="python -m services.stand_in",
        description="A stand-in for an OpenAI server, with keyword rules instead of a language model.",
    )
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 selects a free one")
    parser.add_argument(
        "--latency-ms", type=float, default=200.0, help="latency of every response (default 200)"
    )
    parser.add_argument(
        "--fail", metavar="STATUS:N", help="fail every N-th call with this status, such as 429:50"
    )
    args = parser.parse_args()
    stand_in = StandIn(args.port, args.latency_ms)
    if args.fail:
        status, _, every = args.fail.partition(":")
        if not status.isdigit() or not every.isdigit():
            parser.error("--fail must be STATUS:N, such as 429:50")
        retry_after = "1" if status == "429" else None
        stand_in.behaviour.fail_every = Fault(status=int(status), retry_after=retry_after)
        stand_in.behaviour.every = int(every)
    asyncio.run(_serve(stand_in))


async def _serve(stand_in: StandIn) -> None:
    stop = stop_on_signals()
    try:
        await stand_in.start()
    except OSError as error:
        sys.exit(f"the stand-in cannot listen: {error.strerror}")
    print(
        f"stand-in for an OpenAI server (keyword rules, no language model) at {stand_in.base_url}", flush=True
    )
    await stop.wait()
    await stand_in.stop()


if __name__ == "__main__":
    main()
