"""The model's HTTP server as a process, in an environment of its own."""

import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.local.health import is_http_ok
from deploy.local.ports import is_free
from deploy.local.processes import ManagedProcess

_FOLDER = Path(__file__).parent
_LOCK = _FOLDER / "requirements.lock"
_READY_SECONDS = 60.0
_METRICS_SECONDS = 120.0  # it answers between two steps of the model


@dataclass(frozen=True)
class Tokens:
    """Counted tokens. Cached ones are part of the input."""

    input: int = 0
    cached: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input + other.input, self.cached + other.cached, self.output + other.output)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input - other.input, self.cached - other.cached, self.output - other.output)

    def __str__(self) -> str:
        return f"{self.input:,} in ({self.cached:,} cached), {self.output:,} out"


class ModelServer:
    """llama.cpp's server with a small model. It can be killed and started again at its port.

    Args:
        folder: Folder of the environment, the pid file and the log.
        port: Port on 127.0.0.1.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = ManagedProcess(folder, "model")
        self._python = _environment(folder / "venv")

    def start(self) -> None:
        """Starts it. It answers 503 while it loads the model, see ``wait_ready``."""
        env = {"PATH": "/usr/bin:/bin"}
        self._process.start([self._python, str(_FOLDER / "serve.py"), str(self.port)], env=env, cwd=_FOLDER)

    def wait_listening(self) -> None:
        """Returns once it accepts connections."""
        self._process.wait_ready(lambda: not is_free(self.port), _READY_SECONDS)

    def wait_ready(self) -> None:
        """Returns once it has loaded the model."""
        self._process.wait_ready(lambda: is_http_ok(f"{self.url}/health"), _READY_SECONDS)

    def restart(self) -> None:
        """Starts it anew, with empty caches and counters, and returns once it is ready."""
        self.kill()
        self.start()
        self.wait_ready()

    def kill(self) -> None:
        """Kills it, if it is running, and returns once it is gone."""
        self._process.stop(signal.SIGKILL)

    def read_tokens(self) -> Tokens:
        """Returns its own count of tokens since its start. A request is counted when it ends."""
        # The opener uses no proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/metrics", timeout=_METRICS_SECONDS) as response:
            text = response.read().decode()
        counts = {name: int(value) for name, value in re.findall(r"^llamacpp:(\w+_total) (\d+)$", text, re.M)}
        cached = counts["prompt_tokens_cached_total"]
        return Tokens(counts["prompt_tokens_total"] + cached, cached, counts["tokens_predicted_total"])

    def read_settled_tokens(self) -> Tokens:
        """Returns its own count once it does not change for a second: all requests have ended."""
        last, current = None, self.read_tokens()
        while current != last:
            time.sleep(1.0)
            last, current = current, self.read_tokens()
        return current


def _environment(folder: Path) -> str:
    """Returns the interpreter of the model's environment, and creates or updates that if needed."""
    python, ready = folder / "bin" / "python", folder / ".lock"
    if not ready.exists() or ready.read_text() != _LOCK.read_text():
        print(f"Creating {folder} (downloads 130 MB)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(_LOCK)]
        subprocess.run([*pip, *options], check=True)
        ready.write_text(_LOCK.read_text())
    return str(python)
