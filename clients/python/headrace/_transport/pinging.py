"""Measures the way to a gateway, and reads its version and health."""

import time
from dataclasses import dataclass

import grpc

from headrace._transport.connection import GatewayConnection
from headrace.errors import UnimplementedError
from headrace.gateway.v1 import gateway_pb2

_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
# HealthCheckResponse by its bytes: the client has no stubs of the health service.
_HEALTH = {b"": "UNKNOWN", b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}
_VERSION_METADATA = "headrace-version"


@dataclass(frozen=True)
class Ping:
    """The answers of a gateway to a few small calls.

    Attributes:
        target: Target of the client.
        version: Version of the gateway. Empty from a gateway that does not tell it.
        health: SERVING, NOT_SERVING, or UNKNOWN from a server without a health service.
        connect_seconds: Time of the first call, which opens the connection.
        round_trip_seconds: Median time of the other calls.
    """

    target: str
    version: str
    health: str
    connect_seconds: float
    round_trip_seconds: float


async def ping_gateway(connection: GatewayConnection, timeout: float, count: int = 5) -> Ping:
    """Calls a gateway some times, and never repeats a failed call.

    Args:
        connection: Connection to the gateway.
        timeout: Seconds for each call.
        count: Calls that are measured, after the first.

    Raises:
        HeadraceError: A call failed.
    """
    seconds, version = await _list_kinds(connection, timeout)
    others = sorted([(await _list_kinds(connection, timeout))[0] for _ in range(count)])
    health = await _check_health(connection, timeout)
    return Ping(connection.target, version, health, seconds, others[count // 2])


async def _list_kinds(connection: GatewayConnection, timeout: float) -> tuple[float, str]:
    """Returns the time of a call that needs only the gateway, in seconds, and the version of the gateway."""
    start = time.perf_counter()
    with connection.errors_of_calls():
        call = connection.stub.ListKinds(
            gateway_pb2.ListKindsRequest(), timeout=timeout, metadata=connection.metadata
        )
        await call
        seconds = time.perf_counter() - start
        trailing = {str(key): value for key, value in await call.trailing_metadata() or ()}
    return seconds, str(trailing.get(_VERSION_METADATA, ""))


async def _check_health(connection: GatewayConnection, timeout: float) -> str:
    check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = connection.open().channel.unary_unary(
        _HEALTH_CHECK
    )
    try:
        with connection.errors_of_calls():
            answer = await check(b"", timeout=timeout)
    except UnimplementedError:
        return "UNKNOWN"
    return _HEALTH.get(answer, "UNKNOWN")
