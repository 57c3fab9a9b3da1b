"""What every service tells who knows only its address."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICES = {
    "gateway": "headrace.gateway.v1.GatewayService",
    "worker": "headrace_internal.worker.v1.WorkerService",
    "results": "headrace_internal.results.v1.ResultsService",
}


@pytest.fixture(params=SERVICES)
def service(request):
    """The name of a service in its protos."""
    return SERVICES[request.param]


@pytest.fixture
def channel(two_gateways, service):
    stack = two_gateways
    processes = {"gateway": stack.gateways[0], "worker": stack.workers[0], "results": stack.results}
    target = processes[service.split(".")[1]].target
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel


def test_reflection_lists_the_service_and_shows_its_calls(channel, service):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert service in database.get_services()
    file = database.FindFileContainingSymbol(service)
    (described,) = file.service
    assert f"{file.package}.{described.name}" == service
    assert described.method


@pytest.mark.parametrize("whole_server", [True, False])
def test_health_is_serving_for_the_service_and_the_whole_server(channel, service, whole_server):
    stub = health_pb2_grpc.HealthStub(channel)
    asked = health_pb2.HealthCheckRequest(service="" if whole_server else service)
    assert stub.Check(asked, timeout=10).status == health_pb2.HealthCheckResponse.SERVING
