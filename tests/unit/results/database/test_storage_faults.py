import errno
import sqlite3

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.testing import capture_logs

from headrace.errors import ResourceExhaustedError, UnavailableError
from services.results.database.failures import is_repeatable, translate
from services.results.database.storage_faults import LOG_SECONDS, FaultLog, StorageFault, storage_fault

SECRET = "the content of an item"


class DriverError(Exception):
    def __init__(self, message=SECRET, **codes):
        super().__init__(message)
        for name, value in codes.items():
            setattr(self, name, value)


def wrapped(error, error_class=DBAPIError):
    return error_class("INSERT", {"output": SECRET}, error, hide_parameters=True)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(DriverError(sqlstate="53100")),
        asyncpg.DiskFullError(SECRET),
        wrapped(DriverError(sqlite_errorcode=sqlite3.SQLITE_FULL)),
        wrapped(DriverError("database or disk is full"), OperationalError),
        OSError(errno.ENOSPC, SECRET),
        OSError(errno.EDQUOT, SECRET),
    ],
    ids=repr,
)
def test_a_full_disk_is_storage_full(error):
    assert not is_repeatable(error)
    translated = translate(error)
    assert isinstance(translated, ResourceExhaustedError)
    assert translated.reason == "STORAGE_FULL"
    assert "disk is full" in translated.message
    assert SECRET not in str(translated)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (wrapped(DriverError(sqlstate="25006")), "read-only"),
        (wrapped(DriverError(sqlstate="42501")), "denied"),
        (wrapped(DriverError(sqlstate="58030")), "its disk"),
        (wrapped(DriverError(sqlstate="XX001")), "damaged"),
        (wrapped(DriverError(sqlite_errorcode=sqlite3.SQLITE_READONLY_DBMOVED)), "read-only"),
        (wrapped(DriverError(sqlite_errorcode=sqlite3.SQLITE_IOERR_WRITE)), "its disk"),
        (wrapped(DriverError("disk I/O error"), OperationalError), "its disk"),
        (wrapped(DriverError("unable to open database file"), OperationalError), "cannot be opened"),
        (wrapped(DriverError("database disk image is malformed")), "damaged"),
        (OSError(errno.EROFS, SECRET), "read-only"),
        (OSError(errno.EIO, SECRET), "its disk"),
    ],
    ids=repr,
)
def test_other_lasting_faults_are_storage_failed_with_their_cause(error, cause):
    assert not is_repeatable(error)
    translated = translate(error)
    assert isinstance(translated, UnavailableError)
    assert translated.reason == "STORAGE_FAILED"
    assert cause in translated.message
    assert SECRET not in str(translated)


@pytest.mark.parametrize(
    "error",
    [
        DriverError(sqlstate="40001"),
        DriverError(sqlstate="53300"),
        DriverError(sqlstate="57P01"),
        DriverError(sqlite_errorcode=sqlite3.SQLITE_BUSY),
        DriverError("database is locked"),
        ConnectionRefusedError(errno.ECONNREFUSED, SECRET),
        PermissionError(errno.EPERM, "a firewall answers so"),
        TimeoutError(SECRET),
    ],
    ids=repr,
)
def test_errors_that_pass_are_no_storage_faults(error):
    assert storage_fault(error) is None


def test_a_fault_is_logged_at_once_and_then_rarely():
    now = 0.0
    faults = FaultLog(lambda: now)
    with capture_logs() as logged:
        for _ in range(100):
            faults.note(StorageFault.FULL, "OperationalError")
            now += 0.1
        faults.note(StorageFault.DISK, "OperationalError")
        now += LOG_SECONDS
        faults.note(StorageFault.FULL, "OperationalError")
    assert [line["fault"] for line in logged] == ["FULL", "DISK", "FULL"]
    assert {(line["event"], line["log_level"]) for line in logged} == {("storage_failed", "error")}
