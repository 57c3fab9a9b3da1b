"""Reads metrics and logs of whole systems."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.services import ServiceProcess
from headrace import Client


class Metrics:
    """The metrics of a service, scraped each time a value is read.

    Args:
        service: Service that serves metrics; its log has the port.
    """

    def __init__(self, service: ServiceProcess) -> None:
        (line,) = [line for line in log_lines(service) if line.get("event") == "metrics_served"]
        self._url = f"http://{line['target']}/metrics"

    def text(self) -> str:
        with urllib.request.urlopen(self._url, timeout=10) as response:
            return response.read().decode()

    def value(self, name: str, **labels: str) -> float:
        """Returns the sum of the samples with a name and these labels; 0 if there are none."""
        samples = [s for f in text_string_to_metric_families(self.text()) for s in f.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    async def reaches(self, expected: float, name: str, **labels: str) -> None:
        """Waits until a value is as expected; fails after 20 s."""
        async with asyncio.timeout(20):
            while await asyncio.to_thread(self.value, name, **labels) != expected:
                await asyncio.sleep(0.05)


def log_lines(service: ServiceProcess) -> list[dict[str, Any]]:
    """Returns the JSON objects that a service has logged."""
    return [json.loads(line) for line in service.log_text().splitlines() if line.startswith("{")]


@pytest.fixture(name="log_lines")
def log_lines_fixture() -> Callable[[ServiceProcess], list[dict[str, Any]]]:
    return log_lines


@pytest.fixture
def metrics_of() -> Callable[[ServiceProcess], Metrics]:
    return Metrics


@pytest.fixture
def metrics_settings() -> dict[str, str]:
    return {"HEADRACE_METRICS_LISTEN": "127.0.0.1:0"}


@pytest.fixture
def finish() -> Callable[..., Awaitable[Any]]:
    """Submits a job, watches it to its end and returns it."""

    async def run(target: str, *arguments: Any, **options: Any) -> Any:
        async with Client(target) as client:
            job = await client.submit(*arguments, **options)
            async for event in client.watch(job.job_id):
                job = event.job
            return job

    return run
