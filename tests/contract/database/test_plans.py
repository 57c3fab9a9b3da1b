"""Plans that PostgreSQL makes while its tables are empty."""

import pytest
from sqlalchemy import text

from services.results.database import sql
from services.results.database.clock import Clock
from services.results.database.engine import open_engine
from services.results.database.migrations import migrate
from services.results.pages import items as item_pages
from services.results.purging import purge_rows
from services.results.rows import event_rows, item_contents, item_rows, key_rows

PLAIN = {
    "job_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "first_index": 1,
    "limit": 3,
    "round": 1,
    "after": "0" * 32,
    "last": "f" * 32,
}


@pytest.fixture(scope="module")
async def explain(make_database):
    """Plans a statement with the statistics of empty tables, as after a purge of everything."""
    url = make_database()
    await migrate(url)
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE"))

    async def plan(template):
        statement = sql.prepare(template, sqlite=False)
        # A generic plan assumes ten rows per table of rows.
        rows = {alias: [[None] * len(names)] * 10 for alias, names in statement.columns.items()}
        plain = dict.fromkeys(statement.names, "") | PLAIN
        parameters = sql.parameters(statement, False, Clock(), plain, rows)
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            lines = await driver.fetch(
                f"EXPLAIN {statement.text}", *(parameters[name] for name in statement.names)
            )
            return [line[0].strip() for line in lines]

    yield plan
    await engine.dispose()


async def test_inserting_a_result_reads_only_results_of_its_item_although_the_table_was_empty(explain):
    lines = await explain(item_rows._INSERT)
    scans = [line for line in lines if "Index" in line and " using " in line]
    keys = [line for line in lines if line.startswith("Index Cond")]
    assert scans
    assert len(scans) == len(keys), "\n".join(lines)
    assert all("item_index" in key for key in keys)


@pytest.mark.parametrize(
    ("template", "columns"),
    [
        (key_rows._TAKEN, {"key_hash"}),
        (key_rows._FIND, {"key_hash"}),
        (item_contents._KEYS, {"first_index"}),
        (item_contents._SIZES, {"first_index"}),
        (item_contents._INPUTS, {"first_index"}),
        (item_pages._RESULT_KEYS, {"item_index"}),
        (purge_rows._LAST_KEY, {"key_hash"}),
        (purge_rows._DELETE_KEYS + purge_rows._UP_TO_KEY, {"key_hash"}),
        (purge_rows._LOCK, {"job_id", "max"}),
    ],
)
async def test_keys_and_contents_of_items_are_found_by_indexes(explain, template, columns):
    lines = await explain(template)
    assert not [line for line in lines if "Seq Scan" in line], "\n".join(lines)
    conditions = [line for line in lines if line.startswith("Index Cond")]
    assert conditions
    assert all(any(column in line for column in columns) for line in conditions), "\n".join(lines)


@pytest.mark.parametrize("template", [event_rows._FIND_REPORTS, event_rows._UPDATE, event_rows._DELETE])
async def test_events_are_found_by_their_job_although_the_table_was_empty(explain, template):
    lines = await explain(template)
    scans = [line for line in lines if "Index" in line and " using " in line]
    keys = [line for line in lines if line.startswith("Index Cond")]
    assert scans
    assert len(scans) == len(keys), "\n".join(lines)
    assert all("job_id" in key for key in keys)
