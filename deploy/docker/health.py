"""Whether the service in this container serves, by gRPC health: exit code 0, or 1 with a reason."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 3.0


def main() -> None:
    """Asks the port that HEADRACE_LISTEN names, on this container's own loopback."""
    port = os.environ.get("HEADRACE_LISTEN", "").rpartition(":")[2]
    if not port:
        sys.exit("HEADRACE_LISTEN is not set")
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        except grpc.RpcError as error:
            sys.exit(f"no answer: {error.code().name}")
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if status != "SERVING":
        sys.exit(status)


if __name__ == "__main__":
    main()
