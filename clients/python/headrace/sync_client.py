"""The client for code without an event loop."""

from headrace._client.sync_changing import SyncChangingCalls
from headrace._client.sync_reading import SyncReadingCalls
from headrace._client.sync_submitting import SyncSubmittingCalls


class SyncClient(SyncSubmittingCalls, SyncReadingCalls, SyncChangingCalls):
    """Calls a gateway and waits for its responses: ``with SyncClient() as hr:``.

    It drives a ``Client`` on an event loop in its own thread, and has the same calls, arguments, errors and
    repeats. One is enough for a process: several threads can share it. An interrupt (Ctrl-C) cancels the call
    that the thread waits for. Leaving the loop over a watch or over results ends its stream at once.

    A thread that runs an event loop cannot use it (FailedPreconditionError, reason EVENT_LOOP_RUNNING),
    because waiting would stop that loop. Use ``Client`` there. Cells of a Jupyter notebook can use both: a
    cell waits for its calls anyway, and interrupting the kernel cancels the call and keeps the client usable.

    A client that was used does not survive a fork (CLIENT_FORKED). While one is open, no child of the process
    can use another. Make clients after the fork, or close all of them before it.

    Args:
        target: Address of the gateway, as for ``Client``.
        tenant: Tenant that owns the jobs, as for ``Client``.
        timeout: Seconds for one call with all its repeats, as for ``Client``.
        connect_timeout: Seconds to look for a first gateway, as for ``Client``.
        resume_timeout: Seconds to look for a gateway after a stream broke, as for ``Client``.

    Raises:
        InvalidArgumentError: The tenant's name cannot be sent.
    """
