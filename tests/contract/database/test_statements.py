"""Statements that a small job costs: a feature that it does not use must not add one."""

import pytest

from services.results.database.transaction import Transaction

# CreateJobs, LeaseChunks and RecordResults.
ON_SQLITE, ON_POSTGRESQL = [5, 7, 5], [1, 4, 4]


@pytest.fixture
def statements(store, monkeypatch):
    """Texts of the statements that the store has run."""
    found = []
    run = Transaction._run

    async def counted(self, template, plain, rows):
        found.append(template)
        return await run(self, template, plain, rows)

    monkeypatch.setattr(Transaction, "_run", counted)
    return found


async def test_a_job_of_one_item_costs_as_few_statements_as_before_histories(store, statements):
    worker = await store.worker()
    counts = []
    statements.clear()
    await store.create(items=1)
    counts.append(len(statements))
    leases = (await worker.lease()).leases
    counts.append(len(statements) - sum(counts))
    await worker.succeed(*leases)
    counts.append(len(statements) - sum(counts))
    assert counts == (ON_SQLITE if store.sqlite else ON_POSTGRESQL)
    assert not any("job_events" in text or "usage_history" in text for text in statements)


async def test_an_event_costs_no_statement_of_its_own_on_postgresql(store, statements):
    job = await store.create(items=1)
    statements.clear()
    await store.pause(job.job_id)
    assert len(statements) == (3 if store.sqlite else 2)
