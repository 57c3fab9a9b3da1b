"""Limits on what clients can make a server hold: calls, connections and the time of both."""

import resource

Options = list[tuple[str, int]]

# Of one connection. Clients queue further calls. Clients that open and reset calls as fast as they can made a
# server hold 869 MB. With this limit and those of pending calls, it held 152 MB.
_CALLS_PER_CONNECTION = 1_000
# Calls that have not reached Python. Beyond the first number, gRPC drops some at random, and beyond the
# second all of them. Callers see CANCELLED.
_PENDING_CALLS = 2_000
_MAX_PENDING_CALLS = 4_000
# Time for a new connection to speak HTTP/2, and for one without calls to stay open.
_GREETING_MS = 10_000
_IDLE_MS = 10 * 60_000
# Share of the files that the process may open, for connections of clients. The rest is for the database, the
# queue and other services. Without a limit, 200 idle connections wedged a process with 200 files.
_SHARE_OF_FILES = 0.75
_MAX_CONNECTIONS = 20_000


def limits_of_clients() -> Options:
    """Returns the options of a gRPC server that bound what clients make it hold."""
    return [
        ("grpc.max_concurrent_streams", _CALLS_PER_CONNECTION),
        # Otherwise the server lowers the limit while it is busy, and refuses calls that clients had queued:
        # 1,150 of 3,000.
        ("grpc.http.overload_protection", 0),
        ("grpc.server.max_pending_requests", _PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
        ("grpc.server_handshake_timeout_ms", _GREETING_MS),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.max_allowed_incoming_connections", max_connections()),
    ]


def max_connections() -> int:
    """Returns the connections that clients may hold open, from the limit of open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return min(_MAX_CONNECTIONS, int(files * _SHARE_OF_FILES))
