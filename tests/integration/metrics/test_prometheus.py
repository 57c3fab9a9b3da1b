"""The dashboard, the alerts and the autoscaler's query on a Prometheus that scrapes a stack."""

import asyncio
import json
import os
import urllib.parse
import urllib.request

import pytest
import yaml

from deploy.local.packages import ensure_installed, prometheus_program
from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.ports import spare_port
from deploy.local.processes import ManagedProcess, wait_until
from deploy.local.testing.stack import TestStack
from headrace import Client

pytestmark = pytest.mark.timeout(300)

OBSERVABILITY = REPOSITORY / "deploy/observability"
DASHBOARD = json.loads((OBSERVABILITY / "dashboard.json").read_text())
SCALED_OBJECT = yaml.safe_load(
    (REPOSITORY / "deploy/kustomize/components/keda/scaled-object.yaml").read_text()
)
PARAMS = {"labels": ["a", "b"], "template": "{title}", "model": "gpt-4o-mini"}
# Nothing of the kind happens here: no worker dies, no task is broken, and the provider stays up.
QUIET = (
    "headrace_leases_lost_total",
    "headrace_port_losses_total",
    "headrace_provider_outages",
    "headrace_tasks_unreadable_total",
)


class Prometheus:
    """A Prometheus that scrapes the services of a stack every second."""

    def __init__(self, folder, targets):
        self._url = f"http://127.0.0.1:{spare_port()}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(OBSERVABILITY / "alerts.yaml")],
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": [target]}]}
                for name, target in targets.items()
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        argv = [prometheus_program(), f"--config.file={folder}/prometheus.yaml"]
        argv += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self._url.partition('//')[2]}"]
        self._process = ManagedProcess(folder, "prometheus")
        self._process.start(argv, env=os.environ, cwd=folder)
        assert wait_until(self._is_ready, 30), self._process.log_tail()

    def close(self):
        self._process.stop(timeout=20)

    def get(self, path, **parameters):
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as response:  # raises for an expression that is wrong
            return json.load(response)["data"]

    def query(self, expression):
        """Returns the series of an expression."""
        expression = expression.replace("$__rate_interval", "30s")
        return self.get("query", query=expression)["result"]

    def value(self, expression):
        """Returns the value of an expression with one series; -1 if it has none."""
        found = self.query(expression)
        assert len(found) <= 1
        return float(found[0]["value"][1]) if found else -1.0

    async def reaches(self, condition, expression):
        async with asyncio.timeout(60):
            while not condition(value := await asyncio.to_thread(self.value, expression)):
                await asyncio.sleep(0.5)
        return value

    async def scrapes_again(self):
        """Waits for two more scrapes of each service, between which rates are taken."""
        scrapes = "min(count_over_time(headrace_build_info[5m]))"
        before = await asyncio.to_thread(self.value, scrapes)
        await self.reaches(lambda value: value >= before + 2, scrapes)

    def _is_ready(self):
        try:
            return bool(self.get("status/buildinfo"))
        except OSError:
            return False


@pytest.fixture(scope="module")
def stack(servers):
    metrics = {"HEADRACE_METRICS_LISTEN": "127.0.0.1:0"}
    limits = {
        "HEADRACE_LIMITS": json.dumps({"*": {"requests_per_minute": 6_000}}),
        "HEADRACE_TENANT_CONCURRENCY": json.dumps({"default": 50}),
    }
    stack = TestStack(
        servers,
        workers=1,
        worker_settings=metrics | limits,
        gateway_settings=metrics,
        results_settings=metrics,
    )
    stack.start()
    yield stack
    stack.close()


@pytest.fixture(scope="module")
async def prometheus(stack, tmp_path_factory):
    """A Prometheus that has seen jobs of both kinds, failed attempts and cached responses."""
    ensure_installed(["prometheus"], run_directory() / "apt.log")
    targets = {}
    for service in (stack.gateways[0], stack.results, stack.workers[0]):
        lines = [json.loads(line) for line in service.log_text().splitlines() if "metrics_served" in line]
        targets[service.name] = lines[0]["target"]
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
    await asyncio.to_thread(
        wait_until, lambda: prometheus.value("count(headrace_build_info)") == len(targets), 30
    )
    async with Client(stack.gateway_target) as client:
        for number in range(3):
            stack.control_stand_in(fail_next=[{"status": 503}])
            items = [{"title": f"{number} {title}"} for title in range(5)]
            jobs = [
                await client.submit("noop", [1, 2]),
                await client.submit("llm.classify", items, PARAMS, cache_responses=True),
            ]
            for job in jobs:
                async for _ in client.watch(job.job_id):
                    pass
            await prometheus.scrapes_again()
    yield prometheus
    prometheus.close()


def expressions():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")


@pytest.mark.parametrize("expression", list(expressions()))
async def test_each_expression_of_the_dashboard_is_valid_and_shows_the_stack_at_work(prometheus, expression):
    found = await asyncio.to_thread(prometheus.query, expression)
    if not any(name in expression for name in QUIET):
        assert found, "no series"


async def test_each_alert_is_evaluated_without_an_error_and_none_is_raised_by_a_stack_at_work(prometheus):
    (group,) = (await asyncio.to_thread(prometheus.get, "rules"))["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert [rule["name"] for rule in group["rules"] if rule["state"] == "firing"] == []


async def test_tokens_and_cost_are_those_of_the_jobs(prometheus, stack):
    async with Client(stack.gateway_target) as client:
        jobs = [job async for job in client.list()]
    for type_, count in (
        ("input", sum(job.usage.input_tokens for job in jobs)),
        ("output", sum(job.usage.output_tokens for job in jobs)),
    ):
        await prometheus.reaches(
            lambda value, count=count: value == count, f'sum(headrace_tokens_total{{type="{type_}"}})'
        )
    dollars = sum(job.usage.cost_micros for job in jobs) / 1e6
    value = await prometheus.reaches(lambda value: value > 0, "sum(headrace_cost_dollars_total)")
    assert value == pytest.approx(dollars)


async def test_the_autoscaler_sees_the_items_that_wait_and_those_in_flight_until_they_are_gone(
    prometheus, stack
):
    query = SCALED_OBJECT["spec"]["triggers"][0]["metadata"]["query"]
    await prometheus.reaches(lambda value: value == 0, query)
    async with Client(stack.gateway_target) as client:
        job = await client.submit("noop", [1] * 1_000, {"sleep_ms": 60_000})
        # Leased items that have no slot yet are in neither number.
        await prometheus.reaches(lambda value: 800 <= value <= 1_000, query)
        await client.cancel(job.job_id)
        await prometheus.reaches(lambda value: value == 0, query)
