"""Response store of a single process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from services.worker.calls.response_cache.response_store import Claim, Command, Drop, Put, Renew

MAX_BYTES = 64 * 1024 * 1024
_BYTES_PER_ENTRY = 300  # in addition to the value


class MemoryResponseStore:
    """Values in the memory of this process. The least recently used are dropped if they take too much memory.

    Args:
        clock: Monotonic clock, in seconds.
        max_bytes: Approximate limit of all values together.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._byte_count = 0
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    async def run(self, commands: Sequence[Command]) -> list[bytes | None]:
        """Executes commands in order. It is never away. See ``ResponseStore``."""
        return [self._run_one(command) for command in commands]

    async def close(self) -> None:
        """Does nothing: there are no connections."""

    def _run_one(self, command: Command) -> bytes | None:
        present = self._read(command.key)
        match command:
            case Claim(key, mark, seconds):
                if present is None:
                    self._write(key, mark, seconds)
                return present
            case Renew(key, mark, seconds):
                if present is None or present == mark:
                    self._write(key, mark, seconds)
            case Put(key, value, seconds):
                self._write(key, value, seconds)
            case Drop(key, value):
                if present == value:
                    self._remove(key)
        return None

    def _read(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, 0.0))
        if value is not None and until <= self._clock():
            self._remove(key)
            return None
        if value is not None:
            self._values.move_to_end(key)
        return value

    def _write(self, key: str, value: bytes, seconds: float) -> None:
        self._remove(key)
        self._values[key] = (value, self._clock() + seconds)
        self._byte_count += len(value) + _BYTES_PER_ENTRY
        while self._byte_count > self._max_bytes and self._values:
            self._remove(next(iter(self._values)))

    def _remove(self, key: str) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._byte_count -= len(found[0]) + _BYTES_PER_ENTRY
