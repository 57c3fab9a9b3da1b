"""The systems of part G, each with a provider of its own: Headrace and handwritten loops."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from deploy.local.health import is_http_ok
from deploy.local.ports import spare_port
from deploy.local.testing.stack import TestStack
from headrace import Client
from tests.bench.environment import Peer, run_peer
from tests.bench.peers.chat import LABELS, TEMPLATE
from tests.bench.systems import Servers, our_system
from tests.bench.weather.scenarios import Scenario
from tests.bench.weather.slots import Weather
from tests.bench.weather.window import Ended, measure_window

OURS, INSPECT = "ours", "Inspect's rule"
DEFAULT_RETRIES, MORE_RETRIES = "gather, 2 retries", "gather, 5 retries"
_LOOPS: Mapping[str, dict[str, Any]] = {
    DEFAULT_RETRIES: {"max_retries": 2},
    MORE_RETRIES: {"max_retries": 5},
    INSPECT: {"max_retries": 2, "with_rule": True},
}


@dataclass(frozen=True)
class Provider:
    """A running provider.

    Attributes:
        url: Base URL for calls.
        control_url: Address of its control port.
    """

    url: str
    control_url: str

    def set_weather(self, weather: Weather) -> None:
        """Sets the weather and resets the counts."""
        body = json.dumps(weather.to_json()).encode()
        urllib.request.urlopen(f"{self.control_url}/weather", body, timeout=10).close()


@dataclass(frozen=True)
class Systems:
    """Everything that runs during the part.

    Attributes:
        providers: Provider of each system.
        stacks: Our system by its maximum of calls in flight.
    """

    providers: Mapping[str, Provider]
    stacks: Mapping[int, TestStack]

    def run(self, system: str, scenario: Scenario, seed: int) -> dict[str, float]:
        """Runs a system in a scenario and returns its measures.

        Args:
            system: Name of the system.
            scenario: The scenario.
            seed: Seed of the rejections, different in each round.
        """
        provider = self.providers[system]
        provider.set_weather(replace(scenario.weather, seed=seed))
        if system == OURS:
            target = self.stacks[scenario.in_flight].gateway_target
            # The worker has learned nothing about a new model, so each run starts cold.
            return asyncio.run(_run_ours(target, provider, scenario, f"bench-{seed}-{scenario.name}"))
        return _run_loop(provider, scenario, _LOOPS[system])


@contextmanager
def run_systems(servers: Servers, in_flight_limits: set[int]) -> Iterator[Systems]:
    """Runs the providers and our system, once for each maximum of calls in flight."""
    with ExitStack() as running:
        providers = {
            system: running.enter_context(_run_provider(number))
            for number, system in enumerate((OURS, *_LOOPS))
        }
        stacks = {}
        for limit in sorted(in_flight_limits):
            settings = {"OPENAI_BASE_URL": providers[OURS].url, "HEADRACE_IN_FLIGHT_LIMIT": str(limit)}
            stacks[limit] = running.enter_context(our_system(servers, worker_settings=settings))
        yield Systems(providers, stacks)


@contextmanager
def _run_provider(number: int) -> Iterator[Provider]:
    port, control_port = spare_port(), spare_port()
    control_url = f"http://127.0.0.1:{control_port}"
    peer = Peer(
        f"weather-{number}", "-m", "tests.bench.weather.provider", str(port), str(control_port),
        is_ready=lambda: is_http_ok(f"{control_url}/counts"),
    )  # fmt: skip
    with peer:
        yield Provider(f"http://127.0.0.1:{port}/v1", control_url)


async def _run_ours(target: str, provider: Provider, scenario: Scenario, model: str) -> dict[str, float]:
    params = {"labels": LABELS, "template": TEMPLATE, "model": model}
    items = [{"n": number} for number in range(scenario.item_count)]
    begin_time = time.monotonic()
    async with Client(target) as client:
        job = await client.submit("llm.classify", items, params, call_timeout=scenario.timeout_seconds)

        async def read() -> Ended:
            progress = (await client.get(job.job_id)).progress
            return Ended(progress.succeeded_count, progress.failed_count)

        measures = await measure_window(provider.control_url, scenario.schedule, begin_time, read)
        if (job := await client.get(job.job_id)).state.is_terminal:
            raise RuntimeError(f"the job ended as {job.state.name} during the measured span: {job.error}")
        await client.cancel(job.job_id)
        async for _ in client.watch(job.job_id):
            pass
    return measures


def _run_loop(provider: Provider, scenario: Scenario, loop: Mapping[str, Any]) -> dict[str, float]:
    options = {
        "url": provider.url,
        "concurrency": scenario.in_flight,
        "item_count": scenario.item_count,
        "timeout_seconds": scenario.timeout_seconds,
        **loop,
    }
    described = {
        "options": options, "control_url": provider.control_url, "schedule": scenario.schedule.to_json(),
    }  # fmt: skip
    measures: dict[str, float] = json.loads(run_peer("tests.bench.peers.weather_loop", json.dumps(described)))
    return measures
