"""Health checks of services over gRPC, and of the stand-in over HTTP."""

import urllib.error
import urllib.request


def is_serving(target: str) -> bool:
    """Returns whether the gRPC server at ``host:port`` reports SERVING within two seconds."""
    # Imported late: `down` and `clean` also run with a Python that has no packages.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=options) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            response = stub.Check(health_pb2.HealthCheckRequest(), timeout=2.0)  # type: ignore[attr-defined]
        except grpc.RpcError:
            return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def is_http_ok(url: str) -> bool:
    """Returns whether a GET of the URL returns 200 within two seconds. Uses no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
