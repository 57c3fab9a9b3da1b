"""A Docker engine: the one of this machine, or one that is started and stopped here."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.errors import LocalStackError
from deploy.local.processes import ManagedProcess, wait_until

DATA = Path(tempfile.gettempdir()) / "headrace-docker"
PACKAGES = ("docker.io", "docker-compose", "mmdebstrap")
_READY_SECONDS = 30.0
_STOP_SECONDS = 30.0


class Engine:
    """A context with a running engine. An engine that was started here is stopped at the end.

    An engine of our own keeps its images below `DATA` for the next time. It does not change the machine's
    network, so containers reach each other and nothing else. Builds use the machine's network.

    Raises:
        LocalStackError: No engine responds and none can be started. Names the reason.
    """

    def __init__(self) -> None:
        self._process = ManagedProcess(DATA, "dockerd")
        self._own = False

    def __enter__(self) -> Self:
        if not self._responds():
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            self._process.stop(timeout=_STOP_SECONDS)
            # It leaves this mounted, which would keep the folder from being removed.
            subprocess.run(["umount", DATA / "exec/netns/default"], capture_output=True, check=False)  # noqa: S603, S607

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment for a Docker client of this engine."""
        own = {"DOCKER_HOST": f"unix://{DATA}/docker.sock"} if self._own else {}
        return (
            os.environ | own | ({} if self._has("docker", "buildx", "version") else {"DOCKER_BUILDKIT": "0"})
        )

    @property
    def compose_command(self) -> list[str]:
        """Command of Compose: the client's plugin, or the older program.

        Raises:
            LocalStackError: Neither is installed.
        """
        if self._has("docker", "compose", "version"):
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        raise LocalStackError("Docker Compose is not installed. Install the package docker-compose.")

    def run(self, *arguments: str, stdin: int | None = None, seconds: float = 1200.0) -> str:
        """Runs a Docker command and returns its output.

        Raises:
            LocalStackError: It failed. Shows the end of its output.
        """
        result = subprocess.run(  # noqa: S603
            ["docker", *arguments],  # noqa: S607
            env=self.environment,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if result.returncode != 0:
            tail = "\n".join((result.stdout + result.stderr).splitlines()[-20:])
            raise LocalStackError(f"docker {arguments[0]} failed:\n{tail}")
        return result.stdout.strip()

    def build(self, tags: Sequence[str], dockerfile: Path, context: Path, **arguments: str) -> None:
        """Builds an image. Keyword arguments are the build arguments of its Dockerfile.

        Raises:
            LocalStackError: The build failed. Shows the end of its output.
        """
        options = [option for tag in tags for option in ("--tag", tag)]
        options += [
            option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")
        ]
        network = ["--network", "host"] if self._own else []
        self.run("build", *network, *options, "--file", str(dockerfile), str(context))

    def _responds(self) -> bool:
        return self._has("docker", "version", "--format", "{{.Server.Version}}")

    def _has(self, *argv: str) -> bool:
        if shutil.which(argv[0]) is None:
            return False
        own = {"DOCKER_HOST": f"unix://{DATA}/docker.sock"} if self._own else {}
        result = subprocess.run(list(argv), env=os.environ | own, capture_output=True, check=False)  # noqa: S603
        return result.returncode == 0

    def _start(self) -> None:
        if os.geteuid() != 0:
            raise LocalStackError("No Docker engine responds, and starting one needs root.")
        _install_packages()
        DATA.mkdir(parents=True, exist_ok=True)
        argv = ["dockerd", "--host", f"unix://{DATA}/docker.sock", "--pidfile", str(DATA / "engine.pid")]
        argv += ["--data-root", str(DATA / "data"), "--exec-root", str(DATA / "exec")]
        # Without these it would make the machine forward packets, and change its firewall's policy for them.
        argv += ["--ip-forward=false", "--iptables=false", "--ip6tables=false", "--bridge=none"]
        self._process.start(argv, env=os.environ, cwd=DATA)
        self._own = True
        if not wait_until(self._responds, _READY_SECONDS):
            self._process.stop(timeout=_STOP_SECONDS)
            raise LocalStackError(f"The Docker engine did not start:\n{self._process.log_tail()}")


def _install_packages() -> None:
    if shutil.which("docker") and shutil.which("dockerd"):
        return
    wanted = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if shutil.which("apt-get") is None:
        raise LocalStackError("No Docker engine responds, and dockerd is not installed.")
    print(f"Installing {', '.join(PACKAGES)} with apt", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", *arguments], env=env, capture_output=True, check=False)  # noqa: S603, S607
    if shutil.which("dockerd") is None:
        raise LocalStackError(f"No Docker engine responds, and apt did not install one; try: {wanted}")
