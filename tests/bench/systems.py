"""The measured systems: Headrace on real servers, and Celery with FastAPI on Redis."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.health import is_http_ok
from deploy.local.ports import spare_port
from deploy.local.processes import wait_until
from deploy.local.servers.postgres import PostgresServer
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack
from tests.bench.environment import Peer, bench_folder


@dataclass
class Servers:
    """Servers of one run of the bench, and the provider of all contenders."""

    run: TestRun
    provider_url: str
    provider_pid: int


@contextmanager
def bench_servers(latency_ms: float) -> Iterator[Servers]:
    """Runs the servers. Unlike in tests, PostgreSQL syncs every commit to disk."""
    run = TestRun(bench_folder() / "servers")
    run.postgres = PostgresServer(run.run_dir)
    port = spare_port()
    url = f"http://127.0.0.1:{port}"
    provider = Peer(
        "provider", "-m", "tests.bench.provider", str(port), str(latency_ms),
        is_ready=lambda: is_http_ok(f"{url}/healthz"),
    )  # fmt: skip
    try:
        with provider:
            yield Servers(run, f"{url}/v1", provider.pid)
    finally:
        run.close()


@contextmanager
def our_system(
    servers: Servers, *, workers: int = 1, worker_settings: Mapping[str, str] | None = None
) -> Iterator[TestStack]:
    """Runs results, a gateway and workers on the servers."""
    settings = {"OPENAI_BASE_URL": servers.provider_url, "OPENAI_API_KEY": "bench"}
    stack = TestStack(servers.run, workers=workers, worker_settings=settings | dict(worker_settings or {}))
    try:
        stack.start()
        stack.stand_in.stop()  # it is unused and must not cost anything
        yield stack
    finally:
        stack.close()


def pids_of(stack: TestStack, servers: Servers) -> dict[str, int]:
    """Returns the pids of our system and of the servers, by name."""
    processes = {
        "gateway": stack.gateways[0].process,
        "results": stack.results.process,
        "postgres": servers.run.postgres.process,
        "rabbitmq": servers.run.rabbitmq.process,
        "redis": servers.run.redis.process,
    } | {f"worker-{number}": worker.process for number, worker in enumerate(stack.workers, start=1)}
    return {name: process.pid for name, process in processes.items() if process.pid is not None}


@dataclass
class CeleryStack:
    """FastAPI and a Celery worker, with Celery's default of one process per core.

    Attributes:
        url: Address of FastAPI.
        web: Process of FastAPI.
        worker: Process of Celery.
        redis_url: Address of the broker and result back end.
    """

    url: str
    web: Peer
    worker: Peer
    redis_url: str


@contextmanager
def celery_system(servers: Servers, *, with_worker: bool = True) -> Iterator[CeleryStack]:
    """Runs FastAPI and a Celery worker. With ``with_worker=False``, the caller starts the worker."""
    redis_url, port = servers.run.make_redis_database(), spare_port()
    settings = {"BENCH_REDIS_URL": redis_url, "BENCH_PROVIDER_URL": servers.provider_url}
    url = f"http://127.0.0.1:{port}"
    web = Peer(
        "web", "-m", "uvicorn", "tests.bench.peers.web:app", "--port", str(port), "--log-level", "warning",
        settings=settings, is_ready=lambda: is_http_ok(f"{url}/healthz"),
    )  # fmt: skip
    worker = Peer(
        "celery", "-m", "celery", "-A", "tests.bench.peers.celery_app", "worker", "--loglevel", "INFO",
        settings=settings, is_ready=lambda: " ready." in worker.log_text(),
    )  # fmt: skip
    with ExitStack() as running:
        running.enter_context(web)
        if with_worker:
            running.enter_context(worker)
        else:
            running.callback(worker.stop)
        yield CeleryStack(url, web, worker, redis_url)


def wait_for_lines(path: Path, count: int, timeout: float) -> list[float]:
    """Returns the numbers in a file once it has ``count`` lines.

    Raises:
        RuntimeError: Time is up.
    """
    if not wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, timeout):
        raise RuntimeError(f"{path} does not have {count} lines after {timeout:.0f} s")
    return [float(line) for line in path.read_text().splitlines()]
