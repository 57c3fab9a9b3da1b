"""The command that checks the way to a gateway."""

from headrace._cli.execution import DONE, SERVER_ERROR, execute
from headrace._cli.options import CONNECT_TIMEOUT_SECONDS, CallOptions, takes_call_options
from headrace._cli.output.formats import Format, FormatOption, asked_format
from headrace._cli.output.printing import Printer
from headrace._cli.output.views import Column, View
from headrace._cli.text import echo, printable
from headrace._transport.pinging import Ping, ping_gateway
from headrace.client import Client

_HEALTHY = ("SERVING", "UNKNOWN")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


_PINGS: View[Ping] = View(
    Ping,
    lambda ping: ping.target,
    (
        Column("TARGET", lambda ping: printable(ping.target)),
        Column("VERSION", lambda ping: printable(ping.version) or "unknown"),
        Column("HEALTH", lambda ping: ping.health),
        Column("ROUND TRIP", lambda ping: _milliseconds(ping.round_trip_seconds), is_right=True),
        Column("CONNECT", lambda ping: _milliseconds(ping.connect_seconds), is_right=True, is_wide=True),
    ),
)


@takes_call_options
def ping(options: CallOptions, *, format: FormatOption = None) -> None:
    """Check that a gateway answers: its version, its health and the time of a round trip.

    Exits 3 if no gateway answers, and 4 if it is not ready to serve. No call is repeated.
    """
    asked = asked_format(format, options.json)

    async def work(client: Client) -> int:
        timeout = min(options.timeout, CONNECT_TIMEOUT_SECONDS)
        found = await ping_gateway(client._connection, timeout)
        _print(found, asked)
        return DONE if found.health in _HEALTHY else SERVER_ERROR

    execute(options, work)


def _print(ping: Ping, format: Format | None) -> None:
    if format is not None:
        with Printer(_PINGS, format, single=True) as printer:
            printer.add(ping)
        return
    echo(f"target      {ping.target}")
    echo(f"version     {printable(ping.version) or 'unknown'}")
    echo(f"health      {ping.health}")
    echo(f"connected   in {_milliseconds(ping.connect_seconds)}")
    echo(f"round trip  {_milliseconds(ping.round_trip_seconds)}")
