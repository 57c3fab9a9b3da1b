import socket
import urllib.request

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from services.shared.metrics_server import serve_metrics


def scrape(target):
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as response:
        return response.read().decode()


def connect(target):
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def served_target(lines):
    (line,) = lines
    assert line["event"] == "metrics_served"
    return line["target"]


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0"])
def target(request):
    with structlog.testing.capture_logs() as lines, serve_metrics(request.param):
        yield served_target(lines)


def test_the_metrics_of_the_process_are_served_at_the_port_that_was_bound(target):
    families = {family.name for family in text_string_to_metric_families(scrape(target))}
    assert "process_cpu_seconds" in families


def test_one_scraper_after_the_other_is_served(target):
    assert all(scrape(target) for _ in range(3))


def test_metrics_are_served_until_the_block_ends():
    with structlog.testing.capture_logs() as lines, serve_metrics("127.0.0.1:0"):
        target = served_target(lines)
        assert scrape(target)
    with pytest.raises(ConnectionRefusedError):
        connect(target)


def test_a_scraper_that_says_nothing_blocks_neither_others_nor_the_end():
    with structlog.testing.capture_logs() as lines, serve_metrics("127.0.0.1:0"):
        silent = connect(served_target(lines))
        assert scrape(served_target(lines))
    silent.close()


def test_nothing_is_served_unless_it_is_asked_for():
    with structlog.testing.capture_logs() as lines, serve_metrics(None):
        pass
    assert lines == []


def test_a_process_whose_metrics_cannot_be_served_ends_and_says_why():
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as lines:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SystemExit) as ended, serve_metrics(listen):
            pytest.fail("it went on")
    assert ended.value.code == 1
    assert (lines[0]["event"], lines[0]["listen"]) == ("metrics_not_served", listen)
