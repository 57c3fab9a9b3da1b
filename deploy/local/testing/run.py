"""The servers of one test run: started when first asked for, thrown away at its end."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

from deploy.local.processes import kill_all, start_mark
from deploy.local.servers.postgres import PostgresServer
from deploy.local.servers.rabbitmq import RabbitServer
from deploy.local.servers.redis import RedisServer
from deploy.local.servers.server import Server

_REDIS_DATABASES = 1024


class TestRun:
    """One run of the tests with servers of its own, beside any other run and beside ``make up``.

    What a killed run left behind, processes and data, is removed by the next.

    Args:
        folder: Holds one run directory for each run, such as ``.run/test``.
    """

    __test__ = False  # a name for people; pytest is not to collect it

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_dead_runs(folder)
        self.run_dir = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        (self.run_dir / "owner").write_text(f"{os.getpid()} {start_mark(os.getpid())}\n")
        self.rabbitmq = RabbitServer(self.run_dir, for_tests=True)
        self.redis = RedisServer(self.run_dir, for_tests=True)
        self.postgres = PostgresServer(self.run_dir, for_tests=True)
        self._ready: set[str] = set()
        self._numbers = itertools.count(1)
        self._redis_numbers = itertools.cycle(range(1, _REDIS_DATABASES))

    @property
    def rabbitmq_url(self) -> str:
        """Address of RabbitMQ's default virtual host."""
        self._need(self.rabbitmq)
        return self.rabbitmq.url

    @property
    def redis_url(self) -> str:
        """Address of Redis database 0."""
        self._need(self.redis)
        return self.redis.url

    @property
    def postgres_url(self) -> str:
        """SQLAlchemy address of PostgreSQL's database ``headrace``."""
        self._need(self.postgres)
        return self.postgres.url

    def make_vhost(self) -> str:
        """Returns the address of a new, empty virtual host."""
        self._need(self.rabbitmq)
        return self.rabbitmq.create_vhost(f"test-{next(self._numbers)}")

    def make_database(self) -> str:
        """Returns the SQLAlchemy address (asyncpg) of a new, empty database."""
        self._need(self.postgres)
        return self.postgres.create_database(f"test_{next(self._numbers)}")

    def make_redis_database(self) -> str:
        """Returns the address of an empty Redis database; after 1,023 of them the oldest is taken again."""
        self._need(self.redis)
        number = next(self._redis_numbers)
        self.redis.flush(number)
        return self.redis.database_url(number)

    def make_run_dir(self) -> Path:
        """Returns a new run directory inside this one, for processes that a test starts."""
        return Path(tempfile.mkdtemp(prefix="stack-", dir=self.run_dir))

    def close(self) -> None:
        """Ends every process of this run and removes its data."""
        _remove(self.run_dir)

    def _need(self, server: Server) -> None:
        if server.name not in self._ready:
            server.start()
            server.wait_ready()
            self._ready.add(server.name)


def _remove_dead_runs(folder: Path) -> None:
    for run_dir in folder.glob("run-*"):
        try:
            pid, mark = (run_dir / "owner").read_text().split()
        except (FileNotFoundError, ValueError):
            continue  # one that is just being made
        if start_mark(int(pid)) != mark:
            _remove(run_dir)


def _remove(run_dir: Path) -> None:
    kill_all(run_dir)
    for link in run_dir.glob("**/data/postgres"):
        PostgresServer(link.parent.parent).wipe()
    shutil.rmtree(run_dir, ignore_errors=True)
