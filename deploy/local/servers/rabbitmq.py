"""RabbitMQ of a run directory, with its own epmd."""

import base64
import json
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import ClassVar

from deploy.local.errors import LocalStackError
from deploy.local.packages import rabbitmq_program
from deploy.local.processes import ManagedProcess
from deploy.local.servers.server import Server, plain_environment

_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitServer(Server):
    """RabbitMQ. A test server has the management API too, which creates virtual hosts in milliseconds.

    Erlang nodes find each other through epmd. By default, all nodes of a machine share one, and it outlives
    them. This server has its own, on its own port, and stops it.
    """

    name: ClassVar[str] = "rabbitmq"
    package: ClassVar[str] = "rabbitmq-server"
    start_seconds: ClassVar[float] = 120.0

    def __init__(self, run_dir: Path, *, for_tests: bool = False) -> None:
        super().__init__(run_dir, for_tests=for_tests)
        self._epmd = ManagedProcess(run_dir / "epmd", "epmd")

    @property
    def url(self) -> str:
        """Address of the default virtual host."""
        return self.vhost_url("%2F")

    def vhost_url(self, vhost: str) -> str:
        """Returns the address of a virtual host, given its URL-encoded name."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def launch(self) -> None:
        """Starts epmd and the server."""
        self.data_path.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        env = self._environment()
        if not self._epmd.is_running():
            port = self.ports.free_port("epmd")
            env["ERL_EPMD_PORT"] = str(port)
            program = shutil.which("epmd", path=env["PATH"]) or "epmd"
            self._epmd.start(
                [program, "-address", "127.0.0.1", "-port", str(port)], env=env, cwd=self.data_path
            )
            self._epmd.wait_ready(lambda: _answers(port), 10.0)
        self.process.start([rabbitmq_program() or "rabbitmq-server"], env=env, cwd=self.data_path)

    def is_ready(self) -> bool:
        """Returns whether it responds to AMQP and, as a test server, to HTTP at its management API."""
        if not _answers(self.port, _AMQP_HEADER):
            return False
        return not self.for_tests or self._call("GET", "vhosts") == 200

    def wait_ready(self) -> None:
        """Returns once the server accepts clients."""
        super().wait_ready()
        # The script replaces itself with the server. If a version does not, the server has written its pid.
        pid_path = self.data_path / "server.pid"
        if pid_path.exists() and (pid := int(pid_path.read_text())) != self.process.pid:
            self.process.adopt(pid)

    def await_stop(self) -> None:
        """Returns once the server has ended, and then its epmd."""
        super().await_stop()
        self._epmd.stop()

    def create_vhost(self, name: str) -> str:
        """Creates an empty virtual host and returns its address. Needs the management API.

        Raises:
            LocalStackError: The server refused.
        """
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        statuses = [
            self._call("PUT", f"vhosts/{name}", {}),
            self._call("PUT", f"permissions/{name}/guest", everything),
        ]
        if any(status not in (200, 201, 204) for status in statuses):
            raise LocalStackError(f"virtual host {name} cannot be created: HTTP {statuses}")
        return self.vhost_url(name)

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> int:
        token = base64.b64encode(b"guest:guest").decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports.port('rabbitmq-management')}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=20
            ) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def _write_configuration(self) -> None:
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "disk_free_limit.absolute = 50MB"]
        if self.for_tests:
            port = self.ports.free_port("rabbitmq-management")
            lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {port}"]
        (self.data_path / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        plugins = "[rabbitmq_management]." if self.for_tests else "[]."
        (self.data_path / "enabled_plugins").write_text(plugins + "\n")
        (self.data_path / "rabbitmq-env.conf").write_text("")
        (self.data_path / "conf.d").mkdir(exist_ok=True)

    def _environment(self) -> dict[str, str]:
        data = self.data_path
        return plain_environment(data) | {
            "ERL_EPMD_PORT": str(self.ports.port("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "headrace@localhost",
            "RABBITMQ_DIST_PORT": str(self.ports.free_port("rabbitmq-distribution")),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(data / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(data / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(data / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(data / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(data / "server.pid"),
            # Makes the script replace itself with the server instead of waiting for it.
            "detached": "true",
        }


def _answers(port: int, greeting: bytes = b"") -> bool:
    """Returns whether the port accepts a connection and, if there is a greeting, responds to it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(greeting)
            return not greeting or bool(connection.recv(1))
    except OSError:
        return False
