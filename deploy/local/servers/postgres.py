"""PostgreSQL of a run directory."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from deploy.local.errors import LocalStackError
from deploy.local.packages import postgres_folder
from deploy.local.processes import start_mark, wait_until
from deploy.local.servers.server import Server, plain_environment

_ROLE = "headrace"
_DATABASE = "headrace"


class PostgresServer(Server):
    """PostgreSQL. Anyone on this machine may log in as ``headrace``, and nobody else can reach the port.

    PostgreSQL refuses to run as root. Under root it runs as the user ``postgres``, who may not be able to
    enter the run directory. Then its data is below /var/tmp, and ``data/postgres`` links to it.
    """

    name: ClassVar[str] = "postgres"
    package: ClassVar[str] = "postgresql"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # ends sessions, while SIGTERM waits for them

    @property
    def url(self) -> str:
        """SQLAlchemy address of the database ``headrace``."""
        return self.database_url(_DATABASE)

    def database_url(self, database: str) -> str:
        """Returns the SQLAlchemy address (asyncpg) of a database."""
        return f"postgresql+asyncpg://{_ROLE}@127.0.0.1:{self.port}/{database}"

    def launch(self) -> None:
        """Starts the process. The first start initialises its data."""
        self._make_data_folder()
        folder = self.data_path.resolve()
        data = folder / "cluster"
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        _forget_dead_server(data)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off" if self.for_tests else "on",
            "full_page_writes": "off" if self.for_tests else "on",
        }
        argv = [str(self._folder() / "postgres"), "-D", str(data)]
        for option, value in options.items():
            argv += ["-c", f"{option}={value}"]
        self.process.start(argv, env=plain_environment(folder), cwd=folder, user=_user())

    def is_ready(self) -> bool:
        """Returns whether it accepts connections."""
        return self._client("pg_isready", "-q", "-t", "2").returncode == 0

    def wait_ready(self) -> None:
        """Returns once it accepts connections and the database ``headrace`` exists."""
        super().wait_ready()
        self.create_database(_DATABASE, exists_ok=True)

    def create_database(self, name: str, *, template: str = "template0", exists_ok: bool = False) -> str:
        """Creates a database and returns its SQLAlchemy address.

        Args:
            name: Name of the database.
            template: Database to copy. No client may be connected to it, which holds for the default, an
                empty one, even when two calls overlap.
            exists_ok: Whether an existing database is accepted as it is.

        Raises:
            LocalStackError: PostgreSQL refused.
        """
        result = self._client("createdb", f"--template={template}", name)
        if result.returncode != 0 and not (exists_ok and "already exists" in result.stderr):
            raise LocalStackError(f"database {name} cannot be created: {result.stderr.strip()}")
        return self.database_url(name)

    def _client(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = ["--host=127.0.0.1", f"--port={self.port}", f"--username={_ROLE}"]
        return subprocess.run(
            [str(self._folder() / program), *where, *arguments],
            env=plain_environment(self.run_dir),
            capture_output=True,
            text=True,
            check=False,
        )

    def _make_data_folder(self) -> None:
        user = _user()
        if user is None:
            self.data_path.mkdir(parents=True, exist_ok=True)
            return
        if self.data_path.is_dir():
            return
        self.data_path.unlink(missing_ok=True)  # a link whose target was removed
        self.data_path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="headrace-postgres-", dir="/var/tmp")  # survives a reboot
        shutil.chown(folder, user)
        self.data_path.symlink_to(folder)

    def _initialise(self, data: Path) -> None:
        shutil.rmtree(data, ignore_errors=True)  # what an interrupted initdb left behind
        argv = [str(self._folder() / "initdb"), "-D", str(data), "-U", _ROLE, "-A", "trust", "-E", "UTF8"]
        user = _user()
        result = subprocess.run(
            [*argv, "--locale=C.UTF-8", *(["--no-sync"] if self.for_tests else [])],
            env=plain_environment(data.parent),
            cwd=data.parent,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise LocalStackError(f"initdb failed:\n{result.stderr.strip()}")

    def _folder(self) -> Path:
        folder = postgres_folder()
        if folder is None:
            raise LocalStackError("PostgreSQL is not installed (package postgresql)")
        return folder


def _forget_dead_server(data: Path) -> None:
    """Removes the lock file of a killed server once all its processes have ended.

    PostgreSQL removes it on its own, unless a process has the pid in the file. A zombie counts, and a killed
    server may stay one for long if nobody reads its exit code.
    """
    lock_path = data / "postmaster.pid"
    if lock_path.exists() and wait_until(lambda: not _processes_in(data), 10.0):
        lock_path.unlink(missing_ok=True)


def _processes_in(folder: Path) -> list[int]:
    """Returns the live processes whose working directory is a folder, such as PostgreSQL's its data."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.joinpath("cwd").readlink() == folder and start_mark(int(path.name)) is not None:
                found.append(int(path.name))
        except OSError:  # it has ended, is a zombie, or belongs to another user
            continue
    return found


def _user() -> str | None:
    """Returns the user that PostgreSQL must run as, or None for the current one."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise LocalStackError(
            "PostgreSQL refuses to run as root, and the user 'postgres' does not exist"
        ) from None
