"""Checks by metrics that idle services have no open streams and no items."""

import asyncio
from collections.abc import Iterable, Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.services import ServiceProcess

_STREAMS = "headrace_open_streams"
_NOTHING = (_STREAMS, "headrace_items_in_flight", "headrace_leased_items")
_EVERY_SECONDS = 0.5


async def find_remains(services: Iterable[ServiceProcess], gateway_count: int, seconds: float) -> list[str]:
    """Returns everything that is still open after ``seconds``, each in words.

    Args:
        services: Services with metrics.
        gateway_count: Number of gateways. Every worker has one stream of progress to each.
        seconds: Time limit, in seconds.
    """
    services = list(services)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        for left in range(int(seconds / _EVERY_SECONDS), -1, -1):
            remains = [
                f"{service.name}: {what}"
                for service in services
                for what in _remains(await _scrape(session, service), gateway_count)
            ]
            if not remains or not left:
                break
            await asyncio.sleep(_EVERY_SECONDS)
    return remains


def _remains(samples: Mapping[tuple[str, str], float], gateway_count: int) -> list[str]:
    found = []
    for (name, method), value in samples.items():
        expected = gateway_count if method.endswith("StreamProgress") else 0
        if value != expected:
            found.append(f"{name} {method} is {value:.0f}, should be {expected}")
    return found


async def _scrape(session: aiohttp.ClientSession, service: ServiceProcess) -> dict[tuple[str, str], float]:
    async with session.get(f"http://127.0.0.1:{service.metrics_port}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return {
        (sample.name, sample.labels.get("method", "")): sample.value
        for family in families
        for sample in family.samples
        if sample.name in _NOTHING
    }
