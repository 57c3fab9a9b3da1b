"""The services for tests, as real processes on the servers of a test run."""

import json
import urllib.request
from collections.abc import Collection, Mapping
from typing import Any

from deploy.local.ports import spare_port
from deploy.local.processes import stop_all
from deploy.local.provider import stand_in_at
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
from deploy.local.testing.run import TestRun


class TestStack:
    """Results, gateways, workers and the stand-in, each as a process on a free port.

    Has its own database, virtual host and Redis database. Every call blocks: from a test with work on the
    loop, use ``await asyncio.to_thread(stack.workers[0].restart)``.

    Args:
        run: Test run that owns the servers.
        workers: Number of workers.
        gateways: Number of gateways.
        worker_settings: Environment variables for workers, which override the stack's own.
        gateway_settings: Environment variables for gateways.
        results_settings: Environment variables for results.
        stand_in_arguments: Extra arguments for the stand-in.
        own_servers: Servers of this stack alone, to stop, wipe and start again: ``rabbitmq``, ``redis``,
            ``postgres``.

    Attributes:
        results: The results service.
        gateways: Gateways, the first at index 0.
        workers: Workers, the first at index 0.
        stand_in: Process of the provider, at ``stand_in_url``.
        rabbitmq: RabbitMQ, if it belongs to this stack alone. Likewise ``redis`` and ``postgres``.
    """

    __test__ = False  # pytest must not collect it

    def __init__(
        self,
        run: TestRun,
        *,
        workers: int = 2,
        gateways: int = 1,
        worker_settings: Mapping[str, str] | None = None,
        gateway_settings: Mapping[str, str] | None = None,
        results_settings: Mapping[str, str] | None = None,
        stand_in_arguments: Collection[str] = (),
        own_servers: Collection[str] = (),
    ) -> None:
        self.run_dir = run.make_run_dir()
        self.rabbitmq = RabbitServer(self.run_dir)
        self.redis = RedisServer(self.run_dir, for_tests=True)
        self.postgres = PostgresServer(self.run_dir, for_tests=True)
        self._own: list[Server] = [
            server for server in (self.rabbitmq, self.redis, self.postgres) if server.name in own_servers
        ]
        for server in self._own:
            server.start()
        run.begin_start({"rabbitmq", "redis", "postgres"} - set(own_servers))
        for server in self._own:
            server.wait_ready()
        if self.postgres in self._own:
            self.database_url = self.postgres.url
            migrate_database(self.database_url)
        else:
            self.database_url = run.make_migrated_database()
        self.rabbitmq_url = self.rabbitmq.url if self.rabbitmq in self._own else run.make_vhost()
        self.redis_url = self.redis.url if self.redis in self._own else run.make_redis_database()
        self._worker_settings = dict(worker_settings or {})
        self._gateway_settings = dict(gateway_settings or {})
        self.stand_in = stand_in_provider(self.run_dir, spare_port(), *stand_in_arguments)
        self.results = results_service(
            self.run_dir, spare_port(), self.database_url, **dict(results_settings or {})
        )
        self.gateways = [self._gateway(number) for number in range(1, gateways + 1)]
        self.workers = [self._worker(number) for number in range(1, workers + 1)]

    @property
    def gateway_target(self) -> str:
        """Address of the first gateway, as ``host:port``."""
        return self.gateways[0].target

    @property
    def stand_in_url(self) -> str:
        """Address of the stand-in, without a path."""
        return f"http://{self.stand_in.target}"

    def start(self) -> None:
        """Starts every process and returns when all are ready."""
        self.stand_in.start()
        self.results.start()
        for service in (self.stand_in, self.results):
            service.wait_ready()
        for service in (*self.gateways, *self.workers):
            service.start()
        for service in (*self.gateways, *self.workers):
            service.wait_ready()

    def control_stand_in(self, **behaviour: Any) -> None:
        """Sets the behaviour of the stand-in, see its ``/control``."""
        body = json.dumps(behaviour).encode()
        urllib.request.urlopen(f"{self.stand_in_url}/control", body, timeout=10).close()  # noqa: S310  # loopback

    def add_worker(self) -> ServiceProcess:
        """Starts another worker and returns it once it is ready."""
        worker = self._worker(len(self.workers) + 1)
        self.workers.append(worker)
        worker.start()
        worker.wait_ready()
        return worker

    def logs(self, lines: int = 30) -> str:
        """Returns the end of each service's log, headed by its name."""
        services = (self.results, *self.gateways, *self.workers, self.stand_in)
        return "\n".join(f"{service.name}:\n{service.process.log_tail(lines)}" for service in services)

    def close(self) -> None:
        """Stops the services and kills the servers, whose data is no longer needed."""
        for services in ([*self.gateways, *self.workers], [self.results, self.stand_in]):
            stop_all([service.process for service in services], STOP_SECONDS)
        for server in self._own:
            server.kill()

    def _gateway(self, number: int) -> ServiceProcess:
        return gateway_service(
            self.run_dir,
            number,
            spare_port(),
            results_target=self.results.target,
            rabbitmq_url=self.rabbitmq_url,
            **self._gateway_settings,
        )

    def _worker(self, number: int) -> ServiceProcess:
        return worker_service(
            self.run_dir,
            number,
            spare_port(),
            results_target=self.results.target,
            rabbitmq_url=self.rabbitmq_url,
            redis_url=self.redis_url,
            **(stand_in_at(self.stand_in.port).settings | self._worker_settings),
        )
