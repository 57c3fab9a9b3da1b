import pytest

from services.results.database import sql
from services.results.database.clock import Clock


@pytest.fixture
def clock():
    clock = Clock()
    clock.local_now = lambda: 42
    clock.offset = 7
    return clock


def test_a_table_of_rows_is_a_parameter_a_column_on_postgresql(clock):
    statement = sql.prepare("SELECT * FROM ROWS(k: a text, b bigint) WHERE c = :c", False)
    assert "unnest(CAST($1 AS text[]), CAST($2 AS bigint[])) AS k(a, b) WHERE c = $3" in statement.text
    assert statement.names == ("k_a", "k_b", "c")
    parameters = sql.parameters(statement, False, clock, {"c": 3}, {"k": [("x", 1), ("y", 2)]})
    assert parameters == {"c": 3, "k_a": ["x", "y"], "k_b": [1, 2]}
    assert sql.parameters(statement, False, clock, {}, {"k": []}) == {"k_a": [], "k_b": []}


def test_a_table_of_rows_is_one_parameter_on_sqlite(clock):
    statement = sql.prepare("SELECT * FROM ROWS(k: a text, b bigint) FOR UPDATE OF p SKIP LOCKED", True)
    assert "FOR UPDATE" not in statement.text
    assert sql.parameters(statement, True, clock, {}, {"k": [("x", 1)]}) == {"k": '[["x", 1]]'}


def test_a_repeated_parameter_counts_once_and_a_cast_is_not_a_parameter():
    statement = sql.prepare("SELECT a::text FROM b WHERE c = :c AND (:d OR d = :c)", False)
    assert statement.text == "SELECT a::text FROM b WHERE c = $1 AND ($2 OR d = $1)"
    assert statement.names == ("c", "d")


def test_only_statements_with_now_read_the_clock(clock):
    timeless = sql.prepare("SELECT 1", True)
    assert sql.parameters(timeless, True, clock, {}, {}) == {}
    assert sql.parameters(sql.prepare("SELECT NOW()", True), True, clock, {}, {}) == {"now": 42}
    assert sql.parameters(sql.prepare("SELECT NOW()", False), False, clock, {}, {}) == {"clock_offset": 7}
