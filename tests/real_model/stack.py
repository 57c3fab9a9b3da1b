"""The real stack of Headrace, started and stopped by its own script, with the model as its provider."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.paths import REPOSITORY
from deploy.local.processes import ManagedProcess

WORKERS = 2
_PROFILES = """\
profiles:
  llama_cpp:
    hosts: ['{host}']
    request:
      extra_body: {{temperature: 0}}
"""


class Stack:
    """Gateway, results and two workers on spare ports, next to any other stack of this machine.

    Args:
        folder: Folder of its data, pid files and logs.
        provider_url: Address of the model's server, without a path.
        model: Name of the model.
    """

    def __init__(self, folder: Path, provider_url: str, model: str) -> None:
        self._folder = folder
        profiles = folder.parent / "profiles.yaml"
        profiles.write_text(_PROFILES.format(host=provider_url.removeprefix("http://")))
        self._env = _plain_environment(os.environ) | {
            "HEADRACE_RUN_DIR": str(folder),
            "HEADRACE_MODEL": model,
            "HEADRACE_PROVIDER_PROFILES": str(profiles),
            "OPENAI_BASE_URL": f"{provider_url}/v1",
        }

    def up(self) -> str:
        """Starts what is not running and returns the gateway's address, as ``host:port``."""
        printed = self._run("up", "--workers", str(WORKERS), "--spare-ports")
        return printed.partition("The gateway listens at ")[2].split()[0].rstrip(".")

    def kill_worker(self) -> None:
        """Kills the first worker with SIGKILL."""
        worker = ManagedProcess(self._folder, "worker-1")
        worker.send(signal.SIGKILL)
        worker.wait_ended(10.0)

    def worker_logs(self) -> str:
        """Returns the ends of the logs of both workers."""
        return "\n".join(
            ManagedProcess(self._folder, f"worker-{number}").log_tail() for number in range(1, WORKERS + 1)
        )

    def clean(self) -> None:
        """Stops everything and removes its data."""
        self._run("clean")

    def _run(self, *arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            env=self._env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        if result.returncode != 0:
            raise RuntimeError(f"deploy.local {arguments[0]} failed:\n{result.stderr.strip()}")
        return result.stdout


def _plain_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without a provider. Settings such as HEADRACE_IN_FLIGHT_LIMIT stay."""
    return {name: value for name, value in environ.items() if not name.startswith("OPENAI_")}
