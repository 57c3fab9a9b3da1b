"""Redis of a run directory."""

import socket
from typing import ClassVar

from deploy.local.packages import redis_program
from deploy.local.servers.server import Server, plain_environment


class RedisServer(Server):
    """Redis. A test server stores nothing on disk."""

    name: ClassVar[str] = "redis"
    package: ClassVar[str] = "redis-server"

    @property
    def url(self) -> str:
        """Address of database 0."""
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        """Returns the address of one of the 1,024 databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def launch(self) -> None:
        """Starts the process."""
        self.data_path.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.data_path),
            "databases": "1024",
            "save": "",
            "appendonly": "no" if self.for_tests else "yes",
            "daemonize": "no",
        }
        argv = [redis_program() or "redis-server"]
        for option, value in options.items():
            argv += [f"--{option}", value]
        self.process.start(argv, env=plain_environment(self.data_path), cwd=self.data_path)

    def is_ready(self) -> bool:
        """Returns whether it responds to PING."""
        return self._ask(b"PING\r\n") == b"+PONG"

    def flush(self, number: int) -> None:
        """Empties one database.

        Raises:
            ConnectionError: The server did not empty it.
        """
        if self._ask(b"SELECT %d\r\nFLUSHDB\r\n" % number, lines=2) != b"+OK":
            raise ConnectionError("Redis did not empty the database")

    def _ask(self, request: bytes, lines: int = 1) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as connection:
                connection.sendall(request)
                with connection.makefile("rb") as replies:
                    return [replies.readline().strip() for _ in range(lines)][-1]
        except OSError:
            return b""
