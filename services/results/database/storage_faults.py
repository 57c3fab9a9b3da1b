"""Faults of the database's storage that do not pass on their own: a full disk, a read-only file.

Repeating a call does not help until somebody has mended the cause. Callers are told the cause at once.
"""

import errno
import re
import time
from collections.abc import Callable
from enum import Enum

from headrace.errors import HeadraceError, ResourceExhaustedError, UnavailableError
from headrace.reasons import ErrorReason
from services.shared.logging import get_logger

log = get_logger(__name__)

LOG_SECONDS = 30.0


class StorageFault(Enum):
    """A fault of the storage. The value is the cause and the remedy, for people."""

    FULL = "its disk is full; free space on it"
    READ_ONLY = "it is read-only; check the mount and the permissions of its files"
    DENIED = "access to its files or tables is denied; check their permissions"
    UNREADABLE = "its files cannot be opened; check their path, folder and permissions"
    DISK = "its disk reports an error; check the disk"
    DAMAGED = "its files are damaged; restore a backup"


_BY_STATE = {
    "53100": StorageFault.FULL,
    "25006": StorageFault.READ_ONLY,
    "42501": StorageFault.DENIED,
    "58030": StorageFault.DISK,
    "XX001": StorageFault.DAMAGED,
    "XX002": StorageFault.DAMAGED,
}
# Primary result codes of SQLite. The extended ones have them in their lower byte.
_BY_SQLITE_CODE = {
    3: StorageFault.DENIED,
    8: StorageFault.READ_ONLY,
    10: StorageFault.DISK,
    11: StorageFault.DAMAGED,
    13: StorageFault.FULL,
    14: StorageFault.UNREADABLE,
    26: StorageFault.DAMAGED,
}
_BY_SQLITE_TEXT = {
    StorageFault.FULL: re.compile("disk is full"),
    StorageFault.READ_ONLY: re.compile("readonly database"),
    StorageFault.DISK: re.compile("disk I/O"),
    StorageFault.UNREADABLE: re.compile("unable to open database"),
    StorageFault.DAMAGED: re.compile("malformed|not a database"),
}
# Not EACCES and EPERM: firewalls answer connections with them.
_BY_ERRNO = {
    errno.ENOSPC: StorageFault.FULL,
    errno.EDQUOT: StorageFault.FULL,
    errno.EROFS: StorageFault.READ_ONLY,
    errno.EIO: StorageFault.DISK,
}


def storage_fault(cause: BaseException) -> StorageFault | None:
    """Returns the fault behind an error of a driver or of the system. None if it is of another kind."""
    if isinstance(cause, OSError):
        return _BY_ERRNO.get(cause.errno or 0)
    state = getattr(cause, "sqlstate", None)
    if state:
        return _BY_STATE.get(state)
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _BY_SQLITE_CODE.get(code & 0xFF)
    found = (fault for fault, text in _BY_SQLITE_TEXT.items() if text.search(str(cause)))
    return next(found, None)


class FaultLog:
    """Logs each fault at once, and again at most every 30 s: heartbeats alone would meet it twice a second.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[StorageFault, float] = {}

    def note(self, fault: StorageFault, error: str) -> None:
        """Logs a fault.

        Args:
            fault: Fault of the storage.
            error: Class and code of the driver's error.
        """
        now = self._clock()
        if now - self._logged.get(fault, float("-inf")) >= LOG_SECONDS:
            self._logged[fault] = now
            log.error("storage_failed", fault=fault.name, cause=fault.value, error=error)


_fault_log = FaultLog()


def storage_error(fault: StorageFault, error: str) -> HeadraceError:
    """Returns the error for the caller, STORAGE_FULL or STORAGE_FAILED, and logs the fault.

    Args:
        fault: Fault of the storage.
        error: Class and code of the driver's error, for the log.
    """
    _fault_log.note(fault, error)
    message = f"the database cannot be used: {fault.value}, then repeat the call"
    if fault is StorageFault.FULL:
        return ResourceExhaustedError(message, reason=ErrorReason.STORAGE_FULL)
    return UnavailableError(message, reason=ErrorReason.STORAGE_FAILED)
