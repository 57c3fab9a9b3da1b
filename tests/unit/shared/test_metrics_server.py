import socket
import urllib.request
from contextlib import ExitStack

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from services.shared.metrics_server import MetricsServer, serve_metrics


def scrape(target):
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as response:
        return response.read().decode()


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0"])
def server(request):
    server = MetricsServer(request.param)
    yield server
    server.close()


def test_the_metrics_of_the_process_are_served_at_the_port_that_was_bound(server):
    families = {family.name for family in text_string_to_metric_families(scrape(server.target))}
    assert "process_cpu_seconds" in families


def test_one_scraper_after_the_other_is_served(server):
    assert all(scrape(server.target) for _ in range(3))


def test_a_closed_server_listens_no_more():
    server = MetricsServer("127.0.0.1:0")
    host, _, port = server.target.rpartition(":")
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=10)


def test_a_scraper_that_says_nothing_does_not_keep_the_server_from_closing(monkeypatch):
    monkeypatch.setattr("services.shared.metrics_server._Handler.timeout", 0.05)
    server = MetricsServer("127.0.0.1:0")
    host, _, port = server.target.rpartition(":")
    with socket.create_connection((host, int(port))):
        assert scrape(server.target)
        server.close()


def test_nothing_is_served_unless_it_is_asked_for():
    with structlog.testing.capture_logs() as lines, serve_metrics(None):
        pass
    assert lines == []


def test_the_log_says_where_metrics_are_served_and_they_are_until_the_block_ends():
    with ExitStack() as stack:
        lines = stack.enter_context(structlog.testing.capture_logs())
        stack.enter_context(serve_metrics("127.0.0.1:0"))
        (line,) = lines
        assert line["event"] == "metrics_served"
        assert scrape(line["target"])


def test_a_process_whose_metrics_cannot_be_served_ends_and_says_why():
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as lines:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SystemExit) as ended, serve_metrics(listen):
            pytest.fail("it went on")
    assert ended.value.code == 1
    assert (lines[0]["event"], lines[0]["listen"]) == ("metrics_not_served", listen)
