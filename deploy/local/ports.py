"""Ports on loopback: finding spare ones and remembering them."""

import json
import random
import socket
from collections import deque
from pathlib import Path

from deploy.local.errors import LocalStackError

# Below the range that the kernel gives to outgoing connections, so that none of those takes a port of ours.
_FIRST, _LAST = 20_000, 29_999
# Whoever asks for a port listens on it later, or not for a while; nobody else is to get it meanwhile.
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
    """Returns a port between 20000 and 29999 on which nothing listens; not one given lately.

    Raises:
        LocalStackError: None found in 200 attempts.
    """
    for _ in range(200):
        port = random.randint(_FIRST, _LAST)
        if port not in _recent and is_free(port):
            _recent.append(port)
            return port
    raise LocalStackError("no free port found between 20000 and 29999 on 127.0.0.1")


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
