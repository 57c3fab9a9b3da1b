"""Ports on loopback: finding spare ones and remembering them."""

import json
import os
import random
import socket
from collections import deque
from pathlib import Path

from deploy.local.errors import LocalStackError

# Below the range that the kernel uses for outgoing connections, so that none of those takes such a port.
_DEFAULT_RANGE = "20000-29999"
# A caller may listen on its port much later, so recent ports are not given out again.
_recent: deque[int] = deque(maxlen=1_000)


def is_free(port: int) -> bool:
    """Returns whether nothing listens on 127.0.0.1 at the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def spare_port() -> int:
    """Returns a random port on which nothing listens, and none of the last 1,000 returned.

    HEADRACE_SPARE_PORTS narrows the range ("20000-24999"), so that processes that run at the same time, such as
    the halves of a test run, never choose the same port.

    Raises:
        LocalStackError: No free port was found in 200 attempts.
    """
    spare_range = os.environ.get("HEADRACE_SPARE_PORTS", _DEFAULT_RANGE)
    first, last = map(int, spare_range.split("-"))
    for _ in range(200):
        port = random.randint(first, last)
        if port not in _recent and is_free(port):
            _recent.append(port)
            return port
    raise LocalStackError(f"no free port found in {spare_range} on 127.0.0.1")


class PortBook:
    """The spare ports of one run directory, the same at every start.

    Args:
        path: JSON file that keeps them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(self, name: str) -> int:
        """Returns the port remembered for a name; the first call chooses it."""
        ports = self._read()
        return ports[name] if name in ports else self.renew(name)

    def renew(self, name: str) -> int:
        """Returns a newly chosen port for a name and remembers it instead of the old one."""
        ports = self._read()
        port = spare_port()
        while port in ports.values():
            port = spare_port()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(ports | {name: port}, indent=2) + "\n")
        return port

    def free_port(self, name: str) -> int:
        """Returns the remembered port when nothing listens on it now, else a new one."""
        port = self.port(name)
        return port if is_free(port) else self.renew(name)

    def _read(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError):
            return {}
