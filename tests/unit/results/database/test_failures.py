import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError

from headrace.errors import InternalError, UnavailableError
from services.results.database.failures import ContentRefusedError, is_repeatable, translate

SECRET = "the content of an item"


class DriverError(Exception):
    def __init__(self, sqlstate="", message=SECRET):
        super().__init__(message)
        self.sqlstate = sqlstate


def failure(sqlstate="", message=SECRET, error_class=DBAPIError):
    return error_class("INSERT", {"output": SECRET}, DriverError(sqlstate, message), hide_parameters=True)


@pytest.mark.parametrize(
    "error",
    [
        failure("40P01"),
        failure("40001"),
        failure("55P03"),
        failure("23505"),
        asyncpg.DeadlockDetectedError(SECRET),
        failure(message="database is locked"),
        failure(message="UNIQUE constraint failed: jobs.tenant, jobs.request_id"),
    ],
)
def test_lost_races_are_repeated_and_then_unavailable(error):
    assert is_repeatable(error)
    assert isinstance(translate(error), UnavailableError)


@pytest.mark.parametrize(
    "error",
    [
        failure("08006"),
        failure("53300"),
        failure("57P01"),
        failure("28P01"),
        asyncpg.AdminShutdownError(SECRET),
        asyncpg.ConnectionDoesNotExistError(SECRET),
        asyncpg.InterfaceError(SECRET),
        ConnectionRefusedError(SECRET),
        TimeoutError(SECRET),
    ],
)
def test_a_database_that_cannot_answer_is_unavailable(error):
    assert not is_repeatable(error)
    translated = translate(error)
    assert isinstance(translated, UnavailableError)
    assert translated.reason == "STORE_UNAVAILABLE"
    assert SECRET not in str(translated)


@pytest.mark.parametrize(
    "error",
    [
        failure("22000"),
        failure("22021"),
        failure("23514", error_class=IntegrityError),
        failure("54000"),
        asyncpg.DataError(SECRET),
        failure(message="string or blob too big"),
    ],
)
def test_content_that_does_not_fit_is_refused(error):
    assert not is_repeatable(error)
    assert isinstance(translate(error), ContentRefusedError)
    assert SECRET not in str(translate(error))


def test_a_broken_connection_is_unavailable():
    assert isinstance(translate(failure(error_class=InterfaceError)), UnavailableError)


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "XX000", "0A000"])
def test_a_faulty_statement_is_internal_and_not_a_refusal(sqlstate):
    translated = translate(failure(sqlstate))
    assert isinstance(translated, InternalError)
    assert SECRET not in str(translated)
