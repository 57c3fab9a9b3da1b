"""Whether a service answers: gRPC health, or HTTP for the stand-in."""

import urllib.error
import urllib.request


def is_serving(target: str) -> bool:
    """Returns whether the gRPC server at ``host:port`` reports SERVING within two seconds."""
    # Here, for stopping and cleaning work with a Python that has no packages.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=options) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2.0)  # type: ignore[attr-defined]
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def answers_http(url: str) -> bool:
    """Returns whether a GET of the URL is answered 200 within two seconds, asked without any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
