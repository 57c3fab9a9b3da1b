"""The stack of a run directory: three servers, results, gateways, workers, and the stand-in if needed."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.packages import ensure_installed
from deploy.local.paths import REPOSITORY
from deploy.local.ports import PortBook
from deploy.local.processes import ManagedProcess, kill_all, stop_all
from deploy.local.provider import Provider, provider_of_environment, stand_in_at
from deploy.local.servers.postgres import PostgresServer
from deploy.local.servers.rabbitmq import RabbitServer
from deploy.local.servers.redis import RedisServer
from deploy.local.servers.server import Server
from deploy.local.services import (
    STOP_SECONDS,
    ServiceProcess,
    gateway_service,
    migrate_database,
    results_service,
    stand_in_provider,
    worker_service,
)

_METRICS_PORTS_FROM = 2000  # what listens at 50051 serves its metrics at 52051
_WORKER_LIMIT = 80  # the 91st worker would get the port of the second gateway


class LocalStack:
    """Starts and stops everything. Every call is safe to repeat, and concurrent calls take turns.

    Args:
        run_dir: Folder of pid files, logs, ports and data.
        spare_ports: Whether services use free ports instead of 50051 and the like, next to another stack.
    """

    def __init__(self, run_dir: Path, *, spare_ports: bool = False) -> None:
        self.run_dir = run_dir
        self.spare_ports = spare_ports
        self.ports = PortBook(run_dir / "ports.json")
        self.rabbitmq = RabbitServer(run_dir)
        self.redis = RedisServer(run_dir)
        self.postgres = PostgresServer(run_dir)
        self.servers: Sequence[Server] = (self.rabbitmq, self.postgres, self.redis)

    def install(self) -> None:
        """Installs missing servers.

        Raises:
            LocalStackError: The user may not install packages. Names the packages and the command.
        """
        ensure_installed([server.package for server in self.servers], self.run_dir / "apt.log")

    def up(self, workers: int, gateways: int) -> list[str]:
        """Starts what is not running, stops extra gateways and workers, and returns when all is ready.

        Returns:
            Address of each gateway, as ``host:port``.

        Raises:
            LocalStackError: Something is missing or does not start. Whatever has started keeps running.
        """
        if not 1 <= workers <= _WORKER_LIMIT or not 1 <= gateways <= _WORKER_LIMIT:
            raise LocalStackError(f"WORKERS and GATEWAYS must be numbers from 1 to {_WORKER_LIMIT}")
        with self._turn():
            provider = self._choose_provider()
            self._start_servers(provider)
            results = self._results()
            self._start_results(results)
            gateway_list = [self._gateway(number) for number in range(1, gateways + 1)]
            worker_list = [self._worker(number, provider) for number in range(1, workers + 1)]
            self._start_services([*gateway_list, *worker_list])
            self._stop_surplus({service.name for service in [*gateway_list, *worker_list]})
            (self.run_dir / "provider").write_text(provider.label + "\n")
        return [gateway.target for gateway in gateway_list]

    def down(self) -> list[str]:
        """Stops everything, keeps the data, and returns the names of the processes that were running."""
        with self._turn():
            stopped = stop_all(self._services_found(), STOP_SECONDS)
            last = [ManagedProcess(self.run_dir, name) for name in ("results", "stand-in")]
            stopped += stop_all(last, STOP_SECONDS)
            stopped += [server.name for server in self.servers if server.begin_stop()]
            for server in self.servers:
                server.await_stop()
            (self.run_dir / "provider").unlink(missing_ok=True)
            for pid_path in self.run_dir.glob("*.pid"):  # of processes that had died
                pid_path.unlink()
        return stopped

    def clean(self) -> None:
        """Stops everything and removes the run directory with all data and logs.

        Raises:
            LocalStackError: The run directory contains the repository or a home directory.
        """
        if REPOSITORY.is_relative_to(self.run_dir) or Path.home().is_relative_to(self.run_dir):
            raise LocalStackError(
                f"{self.run_dir} is not removed: it contains the repository or a home directory. "
                "Check HEADRACE_RUN_DIR."
            )
        self.down()
        kill_all(self.run_dir)
        for link in self.run_dir.glob("**/data/postgres"):
            PostgresServer(link.parent.parent).wipe()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def provider_label(self) -> str:
        """Returns the label of the provider that running workers call, empty if none is running."""
        path = self.run_dir / "provider"
        return path.read_text().strip() if path.exists() else ""

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.run_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _choose_provider(self) -> Provider:
        stand_in = ManagedProcess(self.run_dir, "stand-in")
        choose_port = self.ports.port if stand_in.is_running() else self.ports.free_port
        provider = provider_of_environment() or stand_in_at(choose_port("stand-in"))
        workers = [process for process in self._services_found() if process.name.startswith("worker-")]
        running = self.provider_label()
        if any(worker.is_running() for worker in workers) and running not in ("", provider.label):
            raise LocalStackError(
                f"The running workers call {running}; this environment names {provider.label}. "
                "Set OPENAI_* as at the first start, or run `make down` first."
            )
        return provider

    def _start_servers(self, provider: Provider) -> None:
        self.install()
        for server in self.servers:
            server.start()
        stand_in = stand_in_provider(self.run_dir, self.ports.port("stand-in"))
        if provider.is_stand_in:
            stand_in.start()
            stand_in.wait_ready()
        else:
            stand_in.stop()
        for server in self.servers:
            server.wait_ready()

    def _start_results(self, results: ServiceProcess) -> None:
        if results.is_outdated():
            results.stop()
        if not results.process.is_running():
            migrate_database(self.postgres.url)
        self._start_services([results])

    def _start_services(self, services: Sequence[ServiceProcess]) -> None:
        stop_all([service.process for service in services if service.is_outdated()], STOP_SECONDS)
        for service in services:
            service.start()
        for service in services:
            service.wait_ready()

    def _stop_surplus(self, wanted: set[str]) -> None:
        surplus = [process for process in self._services_found() if process.name not in wanted]
        stop_all(surplus, STOP_SECONDS)

    def _services_found(self) -> list[ManagedProcess]:
        """Returns the gateways and workers that were started and not stopped since."""
        found = sorted(path.stem for path in (self.run_dir / "state").glob("*.json"))
        return [
            ManagedProcess(self.run_dir, name) for name in found if name.startswith(("gateway-", "worker-"))
        ]

    def _port(self, name: str, fixed: int) -> int:
        return self.ports.port(name) if self.spare_ports else fixed

    def _with_metrics(self, service: ServiceProcess) -> ServiceProcess:
        service.metrics_port = self._port(f"{service.name}-metrics", service.port + _METRICS_PORTS_FROM)
        return service

    def _results(self) -> ServiceProcess:
        port = self._port("results", 50052)
        return self._with_metrics(results_service(self.run_dir, port, self.postgres.url))

    def _gateway(self, number: int) -> ServiceProcess:
        port = self._port(f"gateway-{number}", 50051 + 100 * (number - 1))
        gateway = gateway_service(
            self.run_dir,
            number,
            port,
            results_target=self._results().target,
            rabbitmq_url=self.rabbitmq.url,
        )
        return self._with_metrics(gateway)

    def _worker(self, number: int, provider: Provider) -> ServiceProcess:
        port = self._port(f"worker-{number}", 50060 + number)
        worker = worker_service(
            self.run_dir,
            number,
            port,
            results_target=self._results().target,
            rabbitmq_url=self.rabbitmq.url,
            redis_url=self.redis.url,
            **provider.settings,
        )
        return self._with_metrics(worker)
