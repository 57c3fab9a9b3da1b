"""Response store of a single process."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from services.worker.calls.response_cache.response_store import Claim, Command, Drop, Put, Renew

MAX_BYTES = 64 * 1024 * 1024
_BYTES_PER_ENTRY = 300  # in addition to the value


class MemoryResponseStore:
    """Values in the memory of this process.

    If they take too much memory, the least recently used one of the owner with the most is dropped. So the
    responses of one tenant never displace those of another that has less.

    Args:
        clock: Monotonic clock, in seconds.
        max_bytes: Approximate limit of all values together.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._byte_count = 0
        self._byte_counts: Counter[str] = Counter()  # by owner
        self._owners: dict[str, str] = {}  # by key
        self._values: dict[str, OrderedDict[str, tuple[bytes, float]]] = {}  # by owner and key

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
            case Put(key, value, seconds, owner):
                self._write(key, value, seconds, owner)
            case Drop(key, value):
                if present == value:
                    self._remove(key)
        return None

    def _read(self, key: str) -> bytes | None:
        values = self._values.get(self._owners.get(key, ""), OrderedDict())
        value, until = values.get(key, (None, 0.0))
        if value is not None and until <= self._clock():
            self._remove(key)
            return None
        if value is not None:
            values.move_to_end(key)
        return value

    def _write(self, key: str, value: bytes, seconds: float, owner: str = "") -> None:
        self._remove(key)
        self._owners[key] = owner
        self._values.setdefault(owner, OrderedDict())[key] = (value, self._clock() + seconds)
        self._byte_counts[owner] += len(value) + _BYTES_PER_ENTRY
        self._byte_count += len(value) + _BYTES_PER_ENTRY
        while self._byte_count > self._max_bytes and self._values:
            ((largest, _),) = self._byte_counts.most_common(1)
            self._remove(next(iter(self._values[largest])))

    def _remove(self, key: str) -> None:
        owner = self._owners.pop(key, None)
        if owner is None:
            return
        value, _ = self._values[owner].pop(key)
        self._byte_counts[owner] -= len(value) + _BYTES_PER_ENTRY
        self._byte_count -= len(value) + _BYTES_PER_ENTRY
        if not self._values[owner]:
            del self._values[owner], self._byte_counts[owner]
