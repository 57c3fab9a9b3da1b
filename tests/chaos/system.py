"""The system of a storm: a stack of real processes, with a link on every connection that can be cut."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from deploy.local.ports import spare_port
from deploy.local.services import ServiceProcess
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack
from tests.chaos.proxy import Link

# Random faults of the provider. All other calls succeed.
PROVIDER_FAULTS = [
    {"probability": 0.05, "status": 429, "retry_after": "0.05"},
    {"probability": 0.05, "status": 500},
    {"probability": 0.01, "hang": True, "hang_seconds": 3.0},
    {"probability": 0.01, "status": 200, "body": '{"choices": [{'},
    {"probability": 0.01, "disconnect": True},
]
UNACKNOWLEDGED_LIMIT = 200


class System:
    """Two gateways, two workers, results and the stand-in, on their own servers.

    Args:
        run: Test run that owns the folder.
        in_flight_limit: Maximum calls in flight of each worker.
        latency_ms: Latency of every response of the provider, in milliseconds.

    Attributes:
        stack: The processes.
        links: Links by name: ``client-gateway-1``, ``gateway-1-results``, ``worker-1-results``,
            ``gateways-worker-1`` and so on. Each leads from the first part to the second.
        in_flight_limit: Maximum calls in flight of each worker.
    """

    def __init__(self, run: TestRun, *, in_flight_limit: int = 100, latency_ms: int = 100) -> None:
        self.in_flight_limit = in_flight_limit
        self.stack = TestStack(
            run,
            workers=2,
            gateways=2,
            worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": str(in_flight_limit)},
            stand_in_arguments=("--latency-ms", str(latency_ms)),
            own_servers=("rabbitmq", "redis", "postgres"),
        )
        self.links: dict[str, Link] = {}
        for gateway in self.stack.gateways:
            self._lead_to_results(gateway)
            self.links[f"client-{gateway.name}"] = Link(gateway.port)
        for worker in self.stack.workers:
            self._lead_to_results(worker)
            inbound = self.links[f"gateways-{worker.name}"] = Link(worker.port)
            worker.settings["HEADRACE_WORKER_ADVERTISE"] = f"127.0.0.1:{inbound.port}"
            worker.settings["OPENAI_PROJECT_ID"] = worker.name  # names the caller in the provider's log
        for service in self.services.values():
            service.metrics_port = spare_port()
        self._http: aiohttp.ClientSession | None = None

    def _lead_to_results(self, service: ServiceProcess) -> None:
        link = self.links[f"{service.name}-results"] = Link(self.stack.results.port)
        service.settings["HEADRACE_RESULTS_TARGET"] = f"127.0.0.1:{link.port}"

    @property
    def services(self) -> dict[str, ServiceProcess]:
        """The services, by name."""
        stack = self.stack
        return {service.name: service for service in (stack.results, *stack.gateways, *stack.workers)}

    @property
    def targets(self) -> list[str]:
        """Addresses of the gateways for clients, through their links."""
        return [f"127.0.0.1:{self.links[f'client-{gateway.name}'].port}" for gateway in self.stack.gateways]

    async def start(self) -> None:
        """Starts everything and returns once all is ready."""
        for link in self.links.values():
            await link.open()
        await asyncio.to_thread(self.stack.start)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def control_provider(self, **control: Any) -> None:
        """Sets the behaviour of the stand-in."""
        async with self._session.post(f"{self.stack.stand_in_url}/control", json=control) as response:
            response.raise_for_status()

    async def read_call_log(self, after: int = 0) -> list[list[Any]]:
        """Returns the calls of the stand-in's log, without the first ``after`` ones."""
        async with self._session.get(
            f"{self.stack.stand_in_url}/call-log", params={"after": str(after)}
        ) as response:
            log: list[list[Any]] = (await response.json())["calls"]
            return log

    async def close(self) -> None:
        """Stops everything."""
        if self._http is not None:
            await self._http.close()
        for link in self.links.values():
            link.heal()
        await asyncio.to_thread(self.stack.close)
        for link in self.links.values():
            await link.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("the system was not started")
        return self._http


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for a condition.

    Raises:
        TimeoutError: It did not hold in time. Names it.
    """
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"not within {seconds:.0f} s: {what}") from None
