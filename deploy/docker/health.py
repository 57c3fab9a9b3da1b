"""Health check of the service in this container, over gRPC: exits with 0, or with 1 and a reason."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 3.0


def main() -> None:
    """Checks the port of HEADRACE_LISTEN on this container's loopback."""
    port = os.environ.get("HEADRACE_LISTEN", "").rpartition(":")[2]
    if not port:
        sys.exit("HEADRACE_LISTEN is not set")
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            response = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        except grpc.RpcError as error:
            sys.exit(f"no response: {error.code().name}")
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    if status != "SERVING":
        sys.exit(status)


if __name__ == "__main__":
    main()
