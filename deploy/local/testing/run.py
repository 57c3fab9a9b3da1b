"""The servers of one test run: started when first needed, removed at its end."""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from deploy.local.processes import kill_all, start_mark
from deploy.local.servers.postgres import PostgresServer
from deploy.local.servers.rabbitmq import RabbitServer
from deploy.local.servers.redis import RedisServer
from deploy.local.servers.server import Server
from deploy.local.services import migrate_database

_REDIS_DATABASES = 1024
_TEMPLATE = "migrated"


class TestRun:
    """One run of the tests with its own servers, next to any other run and next to ``make up``.

    The next run removes the processes and data of a killed one.

    Args:
        folder: Holds a run directory per run, such as ``.run/test``.
    """

    __test__ = False  # pytest must not collect it

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
        self._is_template_migrated = False

    def begin_start(self, servers: Collection[str]) -> None:
        """Starts servers at the same time, without waiting. The first use of each waits.

        Args:
            servers: Names of servers: ``rabbitmq``, ``redis``, ``postgres``.
        """
        for server in (self.rabbitmq, self.redis, self.postgres):
            if server.name in servers and server.name not in self._ready:
                server.start()

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

    def make_migrated_database(self) -> str:
        """Returns the SQLAlchemy address (asyncpg) of a new database with the current schema.

        The first call migrates a template. Copying it takes a tenth of the time.
        """
        self._need(self.postgres)
        if not self._is_template_migrated:
            migrate_database(self.postgres.create_database(_TEMPLATE))
            self._is_template_migrated = True
        return self.postgres.create_database(f"test_{next(self._numbers)}", template=_TEMPLATE)

    def make_redis_database(self) -> str:
        """Returns the address of an empty Redis database; after 1,023 of them, reuses the oldest."""
        self._need(self.redis)
        number = next(self._redis_numbers)
        self.redis.flush(number)
        return self.redis.database_url(number)

    def make_run_dir(self) -> Path:
        """Returns a new run directory inside this one, for the processes of a test."""
        return Path(tempfile.mkdtemp(prefix="stack-", dir=self.run_dir))

    def close(self) -> None:
        """Kills every process of this run and removes its data."""
        _remove(self.run_dir)

    def _need(self, server: Server) -> None:
        if server.name not in self._ready:
            server.start()
            server.wait_ready()
            self._ready.add(server.name)


def _remove_dead_runs(folder: Path) -> None:
    """Removes the runs of dead processes. Test processes that start at the same time take turns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for run_dir in folder.glob("run-*"):
            if _is_dead(run_dir):
                _remove(run_dir)
    finally:
        os.close(descriptor)


def _is_dead(run_dir: Path) -> bool:
    try:
        pid, mark = (run_dir / "owner").read_text().split()
    except (FileNotFoundError, ValueError):
        return False  # it is just being created
    return start_mark(int(pid)) != mark


def _remove(run_dir: Path) -> None:
    kill_all(run_dir)
    for link in run_dir.glob("**/data/postgres"):
        PostgresServer(link.parent.parent).wipe()
    shutil.rmtree(run_dir, ignore_errors=True)
