"""Opens the channels of clients to gateways."""

from typing import TYPE_CHECKING, NamedTuple

import grpc

from headrace._transport import forks
from headrace._transport.proxies import Proxy
from headrace._version import __version__
from headrace.gateway.v1 import gateway_pb2_grpc

if TYPE_CHECKING:
    from headrace.gateway.v1.gateway_pb2_grpc import GatewayServiceAsyncStub

# A silent connection is found after both together: 25 s. A call of the default timeout (30 s) then still has
# time to be repeated. Servers refuse clients that ping more often than every 10 s.
PING_SECONDS = 15.0
PING_TIMEOUT_SECONDS = 10.0


class GatewayChannel(NamedTuple):
    """An open channel to gateways.

    Attributes:
        channel: The channel.
        stub: Stub of the API on it.
    """

    channel: grpc.aio.Channel
    stub: "GatewayServiceAsyncStub"

    async def close(self) -> None:
        """Cancels calls under way and closes the channel."""
        forks.note_closed_channel(self.channel)
        await self.channel.close(None)


# A gateway takes 1,000 calls on a connection. Without more connections, a client with 1,000 open watches
# could make no other call.
_SERVICE_CONFIG = (
    '{"loadBalancingConfig":[{"round_robin":{}}],"connectionScaling":{"maxConnectionsPerSubchannel":10}}'
)


def open_channel(target: str, proxy: Proxy | None) -> GatewayChannel:
    """Opens a channel on the running event loop. It connects with its first call.

    Args:
        target: ``host:port`` or any gRPC name.
        proxy: Proxy that gRPC will find. None: no proxy is used.

    Raises:
        FailedPreconditionError: The process was forked while gRPC was running (CLIENT_FORKED).
    """
    forks.check_process()
    options = [
        ("grpc.keepalive_time_ms", int(PING_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", int(PING_TIMEOUT_SECONDS * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        # By default, gRPC hardly pings a connection that carries no data: after two pings, once a minute.
        ("grpc.http2.max_pings_without_data", 0),
        # Without it, gRPC waits 60 s for the answer to a ping, whatever the timeout of keepalive.
        ("grpc.http2.ping_timeout_ms", int(PING_TIMEOUT_SECONDS * 1000)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # Time to establish a connection, not a pause: TLS to a distant host takes several round trips.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.service_config", _SERVICE_CONFIG),
        # The history of a job names the program that asked for a change.
        ("grpc.primary_user_agent", f"headrace-python/{__version__}"),
        ("grpc.enable_http_proxy", int(proxy is not None)),
    ]
    channel = grpc.aio.insecure_channel(target, options=options)
    forks.note_open_channel(channel)
    return GatewayChannel(channel, gateway_pb2_grpc.GatewayServiceStub(channel))
