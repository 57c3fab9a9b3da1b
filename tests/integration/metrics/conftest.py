"""Whole systems whose metrics and logs are read."""

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
    """The metrics of a service, scraped anew whenever a value is asked for.

    Args:
        service: Serves metrics at a port that its log tells.
    """

    def __init__(self, service: ServiceProcess) -> None:
        (line,) = [line for line in log_lines(service) if line.get("event") == "metrics_served"]
        self._url = f"http://{line['target']}/metrics"

    def text(self) -> str:
        with urllib.request.urlopen(self._url, timeout=10) as response:
            return response.read().decode()

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name that have these labels; 0 where there are none."""
        samples = [s for f in text_string_to_metric_families(self.text()) for s in f.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    async def reaches(self, expected: float, name: str, **labels: str) -> None:
        """Waits until a value is what it should be; fails when it is not in time."""
        async with asyncio.timeout(20):
            while await asyncio.to_thread(self.value, name, **labels) != expected:
                await asyncio.sleep(0.05)


def log_lines(service: ServiceProcess) -> list[dict[str, Any]]:
    """The lines a service has logged, each a JSON object."""
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
    """Submits a job, waits for its end and returns it."""

    async def run(target: str, *arguments: Any, **options: Any) -> Any:
        async with Client(target) as client:
            job = await client.submit(*arguments, **options)
            async for event in client.watch(job.job_id):
                job = event.job
            return job

    return run
