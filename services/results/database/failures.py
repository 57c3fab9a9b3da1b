"""Translates errors of the database into errors for the caller."""

import re

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import InterfaceError as WrappedInterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from headrace.errors import HeadraceError, InternalError, UnavailableError
from headrace.reasons import ErrorReason
from services.results.database.storage_faults import storage_error, storage_fault
from services.shared.logging import get_logger

log = get_logger(__name__)

# Errors of the database, of its driver (plain or wrapped by SQLAlchemy) and of the connection pool.
DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DBAPIError,
    OSError,
    PoolTimeoutError,
)

# Deadlock, serialization failure, lock not available, unique violation: a repeat may succeed.
_REPEATABLE = re.compile("40P01|40001|55P03|23505")
# Lost connection, wrong password, no such database, out of resources, shutdown or time-out, system error.
_UNAVAILABLE = re.compile("08|28|3D|53|57|58|25P03")
# A value that does not fit, a violated constraint, a limit of the program.
_REFUSED = re.compile("22|23|54")
_REPEATABLE_ON_SQLITE = re.compile("UNIQUE constraint failed|database is locked")
_REFUSED_ON_SQLITE = re.compile("too big|too large|constraint failed|could not be encoded|datatype mismatch")


class ContentRefusedError(Exception):
    """The database refuses this content for good. The message names the cause and holds no content."""


def is_repeatable(error: Exception) -> bool:
    """Returns whether the same transaction may succeed if it runs again."""
    state, cause = _state_of(error), _cause_of(error)
    return bool(_REPEATABLE.match(state) if state else _REPEATABLE_ON_SQLITE.search(str(cause)))


def translate(error: Exception) -> HeadraceError | ContentRefusedError:
    """Returns the error to raise for one of DATABASE_ERRORS. Its message holds no content and no address."""
    fault = storage_fault(_cause_of(error))
    if fault is not None:
        return storage_error(fault, _name_of(error))
    if isinstance(error, (OSError, PoolTimeoutError)) or is_repeatable(error) or _is_lost(error):
        return _unavailable(error)
    state, cause, name = _state_of(error), str(_cause_of(error)), _name_of(error)
    if state and _UNAVAILABLE.match(state):
        return _unavailable(error)
    if _REFUSED.match(state) if state else _REFUSED_ON_SQLITE.search(cause):
        return ContentRefusedError(name)
    # The statement does not fit the schema. Such a cause names tables and columns, never content.
    is_safe = state.startswith("42") or cause.startswith("no such")
    log.error("statement_failed", error=name, cause=cause if is_safe else "")
    return InternalError("the store failed; see the log of the results service")


def _cause_of(error: Exception) -> BaseException:
    return (error.orig if isinstance(error, DBAPIError) else None) or error


def _state_of(error: Exception) -> str:
    return getattr(_cause_of(error), "sqlstate", None) or ""


def _name_of(error: Exception) -> str:
    return f"{type(_cause_of(error)).__name__} {_state_of(error)}".strip()


def _is_lost(error: Exception) -> bool:
    """Returns whether the driver reports a broken connection, without an error from the server."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    from_driver = isinstance(
        error, (WrappedInterfaceError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    )
    return from_driver and not _state_of(error)


def _unavailable(error: Exception) -> UnavailableError:
    log.warning("store_unreachable", error=_name_of(error))
    return UnavailableError(
        "the store cannot answer now; repeat the call", reason=ErrorReason.STORE_UNAVAILABLE
    )
