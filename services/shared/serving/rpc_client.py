"""Opens channels between services."""

from typing import Any

import grpc

from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, KEEPALIVE_OPTIONS
from services.shared.tracing import TRACEPARENT, current_traceparent


class TracePropagation(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the traceparent of the call being served to the calls made for it."""

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Makes the call."""
        traceparent = current_traceparent()
        if traceparent:
            details = client_call_details
            client_call_details = grpc.aio.ClientCallDetails(
                method=details.method,
                timeout=details.timeout,
                metadata=grpc.aio.Metadata(*(details.metadata or ()), (TRACEPARENT, traceparent)),
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
            )
        return await continuation(client_call_details, request)


def open_channel(target: str) -> grpc.aio.Channel:
    """Returns a channel to a service. It connects on its own, and reconnects after every break.

    It never goes through a proxy of the environment.

    Args:
        target: ``host:port``, or any gRPC name such as ``dns:///results:50052``.
    """
    return grpc.aio.insecure_channel(
        target,
        interceptors=[TracePropagation()],
        options=[
            ("grpc.max_receive_message_length", INTERNAL_MESSAGE_BYTES),
            ("grpc.max_send_message_length", INTERNAL_MESSAGE_BYTES),
            *KEEPALIVE_OPTIONS,
            # A proxy of the environment leads out of the network that the services share.
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # Despite its name, the time limit for connecting. A busy machine needs more than a moment.
            ("grpc.min_reconnect_backoff_ms", 2_000),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}'),
        ],
    )
