"""The asynchronous client: submits jobs, watches them, and reads their results."""

from headrace._client.changing import ChangingCalls
from headrace._client.reading import ReadingCalls
from headrace._client.reporting import ReportingCalls
from headrace._client.running import RunningCalls
from headrace._client.watching import WatchingCalls


class Client(RunningCalls, WatchingCalls, ReadingCalls, ChangingCalls, ReportingCalls):
    """Calls a gateway: ``async with Client() as hr:``. Each event loop that uses it gets its own connection.

    Every call is safe to repeat. While the gateway is unavailable, the client repeats it with growing waits.
    Each call takes a ``timeout`` of its own, in seconds.
    Errors are classes of ``headrace.errors`` with a stable ``reason``.

    An item with a recorded success is never computed again. An unfinished item makes its calls again after a
    crash of its worker. So does an item that finished in the last 250 ms before the crash, if its result was
    not recorded yet.

    A connection that has silently died is found within 25 s, and the call is repeated on a new one. A client
    that was used does not survive a fork (CLIENT_FORKED); see ``SyncClient``. Loopback, and targets that
    NO_PROXY or no_proxy names, are never reached through a proxy.

    Args:
        target: ``host:port`` of the gateway, or any gRPC name such as ``dns:///gateway:50051``. Default: the
            environment variable ``HEADRACE_TARGET``, or else localhost:50051. The default port is 50051. The
            connection is not encrypted.
        tenant: Tenant that owns the jobs. Default: the gateway's default tenant.
        timeout: Seconds for one call with all its repeats. In an upload: for each response.
        connect_timeout: Seconds to look for a gateway before the first response of any. Never more than
            ``timeout``.
        resume_timeout: Seconds to look for a gateway after the stream of a watch, an upload or followed
            results broke.

    Raises:
        InvalidArgumentError: The tenant's name cannot be sent, or the target is not an address.
    """
