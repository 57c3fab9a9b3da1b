"""Each service as a process: its command, its settings, and its readiness check."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.health import is_http_ok, is_serving
from deploy.local.paths import REPOSITORY
from deploy.local.ports import is_free
from deploy.local.processes import ManagedProcess, wait_until

_READY_SECONDS = 60.0
_PORT_SECONDS = 2.0  # a process that is ending may hold its port a little longer
# A service drains for 10 seconds by default.
STOP_SECONDS = 20.0


class ServiceProcess:
    """One service of a run directory.

    Args:
        run_dir: Folder of its pid file and log.
        name: Name such as ``gateway-1``.
        argv: Arguments for the Python interpreter.
        port: Port that it will listen on, on 127.0.0.1.
        settings: Environment variables, added to those of ``service_environment``.
        is_ready: Check that is repeated while it starts. gRPC health on its port if unset.

    Attributes:
        metrics_port: Port of its metrics on 127.0.0.1, from its next start. No metrics if None, or if another
            program has the port.
    """

    def __init__(
        self,
        run_dir: Path,
        name: str,
        argv: Sequence[str],
        *,
        port: int,
        settings: Mapping[str, str],
        is_ready: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.target = f"127.0.0.1:{port}"
        self.settings = dict(settings)
        self.process = ManagedProcess(run_dir, name)
        self.metrics_port: int | None = None
        self._argv = [sys.executable, *argv]
        self._is_ready = is_ready or (lambda: is_serving(self.target))

    @property
    def fingerprint(self) -> str:
        """Hash of its command and settings. Reveals no setting."""
        return hashlib.sha256(json.dumps([self._argv, self.settings]).encode()).hexdigest()

    def start(self) -> bool:
        """Starts the service unless it is running. Does not wait, see ``wait_ready``.

        Returns:
            Whether it was started.

        Raises:
            LocalStackError: Another program has its port.
        """
        if self.process.is_running():
            return False
        if not wait_until(lambda: is_free(self.port), _PORT_SECONDS):
            raise LocalStackError(
                f"{self.name} needs 127.0.0.1:{self.port}, and another program listens there"
            )
        env = service_environment() | self._metrics_settings() | self.settings
        self.process.start(self._argv, env=env, cwd=REPOSITORY, note=self.fingerprint)
        return True

    def _metrics_settings(self) -> dict[str, str]:
        # Not part of the fingerprint: while the service is running, its port is not free.
        if self.metrics_port is None or not is_free(self.metrics_port):
            return {}
        return {"HEADRACE_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}"}

    def wait_ready(self) -> None:
        """Returns once the service is serving.

        Raises:
            LocalStackError: It ended or did not get ready in time. Shows the end of its log.
        """
        self.process.wait_ready(self._is_ready, _READY_SECONDS)

    def is_outdated(self) -> bool:
        """Returns whether it is running with other settings than a start now would use."""
        return self.process.is_running() and self.process.note != self.fingerprint

    def stop(self) -> bool:
        """Drains and ends the service. Returns whether it was running."""
        return self.process.stop(signal.SIGTERM, STOP_SECONDS)

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal. Waits for the end of the process if it is SIGKILL."""
        self.process.send(signum)
        if signum == signal.SIGKILL:
            self.process.wait_ended(10.0)

    def restart(self) -> None:
        """Stops the service if it is running, starts it at the same port and returns once it is ready."""
        self.stop()
        self.start()
        self.wait_ready()

    def log_text(self) -> str:
        """Returns its output over all its starts."""
        return self.process.log_text()


def service_environment() -> dict[str, str]:
    """Returns this environment without settings of single services: addresses, database, provider.

    Exempts loopback from proxies.
    """
    own = (
        "LISTEN",
        "TARGET",
        "RESULTS_TARGET",
        "WORKER_ADVERTISE",
        "DATABASE_URL",
        "RABBITMQ_URL",
        "REDIS_URL",
        "METRICS_LISTEN",
    )
    dropped = {f"HEADRACE_{name}" for name in own}
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith("OPENAI_")
    }
    exempt = ",".join(filter(None, [env.get("no_proxy") or env.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return env | {"no_proxy": exempt, "NO_PROXY": exempt, "PYTHONUNBUFFERED": "1"}


def migrate_database(database_url: str) -> None:
    """Migrates a database to the schema of this version.

    Raises:
        LocalStackError: The migration failed. Shows its output.
    """
    env = service_environment() | {"HEADRACE_DATABASE_URL": database_url}
    argv = [sys.executable, "-m", "services.results", "migrate"]
    result = subprocess.run(
        argv, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    if result.returncode != 0:
        raise LocalStackError(f"the migration of the database failed:\n{result.stderr.strip()}")


def results_service(run_dir: Path, port: int, database_url: str, **settings: str) -> ServiceProcess:
    """Returns the results service. Migrate its database before it starts."""
    own = {"HEADRACE_LISTEN": f"127.0.0.1:{port}", "HEADRACE_DATABASE_URL": database_url}
    return ServiceProcess(run_dir, "results", ["-m", "services.results"], port=port, settings=own | settings)


def gateway_service(
    run_dir: Path, number: int, port: int, *, results_target: str, rabbitmq_url: str, **settings: str
) -> ServiceProcess:
    """Returns a gateway. Numbers start at 1."""
    own = {
        "HEADRACE_LISTEN": f"127.0.0.1:{port}",
        "HEADRACE_RESULTS_TARGET": results_target,
        "HEADRACE_RABBITMQ_URL": rabbitmq_url,
    }
    return ServiceProcess(
        run_dir, f"gateway-{number}", ["-m", "services.gateway"], port=port, settings=own | settings
    )


def worker_service(
    run_dir: Path,
    number: int,
    port: int,
    *,
    results_target: str,
    rabbitmq_url: str,
    redis_url: str,
    **settings: str,
) -> ServiceProcess:
    """Returns a worker. Numbers start at 1. OPENAI_* variables in ``settings`` name its provider."""
    own = {
        "HEADRACE_LISTEN": f"127.0.0.1:{port}",
        "HEADRACE_RESULTS_TARGET": results_target,
        "HEADRACE_RABBITMQ_URL": rabbitmq_url,
        "HEADRACE_REDIS_URL": redis_url,
    }
    return ServiceProcess(
        run_dir, f"worker-{number}", ["-m", "services.worker"], port=port, settings=own | settings
    )


def embedded_system(run_dir: Path, port: int, database_url: str, **settings: str) -> ServiceProcess:
    """Returns the three services in one process. OPENAI_* variables in ``settings`` name its provider."""
    own = {"HEADRACE_LISTEN": f"127.0.0.1:{port}", "HEADRACE_DATABASE_URL": database_url}
    return ServiceProcess(
        run_dir, "embedded", ["-m", "services.embedded"], port=port, settings=own | settings
    )


def stand_in_provider(run_dir: Path, port: int, *arguments: str) -> ServiceProcess:
    """Returns the stand-in for an LLM provider: an HTTP server that speaks the OpenAI API without a model."""
    argv = ["-m", "services.stand_in", "--port", str(port), *arguments]
    url = f"http://127.0.0.1:{port}/healthz"
    return ServiceProcess(run_dir, "stand-in", argv, port=port, settings={}, is_ready=lambda: is_http_ok(url))
