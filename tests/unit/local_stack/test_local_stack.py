"""Processes and ports of `make up`, without starting anything."""

import pytest

from deploy.local import stack as local_stack
from deploy.local.servers.server import Server
from deploy.local.services import ServiceProcess
from deploy.local.stack import LocalStack


@pytest.fixture
def started(monkeypatch):
    """Started services, by name."""
    services = {}
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Server, "start", lambda server: True)
    monkeypatch.setattr(LocalStack, "install", lambda stack: None)
    monkeypatch.setattr(local_stack, "migrate_database", lambda url: None)
    monkeypatch.setattr(ServiceProcess, "start", lambda service: services.update({service.name: service}))
    monkeypatch.setattr(ServiceProcess, "wait_ready", lambda service: None)
    for server in (local_stack.PostgresServer, local_stack.RabbitServer, local_stack.RedisServer):
        monkeypatch.setattr(server, "wait_ready", lambda server: None)
    return services


def test_services_listen_where_scripts_expect_them(started, tmp_path):
    targets = LocalStack(tmp_path).up(workers=3, gateways=2)
    assert targets == ["127.0.0.1:50051", "127.0.0.1:50151"]
    assert {name: service.target for name, service in started.items() if name != "stand-in"} == {
        "gateway-1": "127.0.0.1:50051",
        "gateway-2": "127.0.0.1:50151",
        "results": "127.0.0.1:50052",
        "worker-1": "127.0.0.1:50061",
        "worker-2": "127.0.0.1:50062",
        "worker-3": "127.0.0.1:50063",
    }


def test_settings_of_services_name_their_address_and_that_of_results(started, tmp_path):
    LocalStack(tmp_path).up(workers=1, gateways=1)
    for name in ("gateway-1", "results", "worker-1"):
        assert started[name].settings["HEADRACE_LISTEN"] == started[name].target
    for name in ("gateway-1", "worker-1"):
        assert started[name].settings["HEADRACE_RESULTS_TARGET"] == "127.0.0.1:50052"


def test_only_results_knows_the_database(started, tmp_path):
    LocalStack(tmp_path).up(workers=2, gateways=2)
    found = {name for name, service in started.items() if "HEADRACE_DATABASE_URL" in service.settings}
    assert found == {"results"}


def test_services_never_share_a_port(started, tmp_path):
    LocalStack(tmp_path).up(workers=80, gateways=80)
    ports = [service.port for service in started.values()]
    assert len(ports) == 80 + 80 + 2 == len(set(ports))


def test_spare_ports_are_never_those_of_another_stack(started, tmp_path):
    LocalStack(tmp_path, spare_ports=True).up(workers=2, gateways=2)
    assert all(20_000 <= service.port < 30_000 for service in started.values())
