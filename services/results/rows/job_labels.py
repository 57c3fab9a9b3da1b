"""Names and labels of jobs: in the row of jobs for snapshots, in job_labels for searches."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts

_INSERT = """
INSERT INTO job_labels (tenant, key, value, job_id) SELECT tenant, key, value, job_id
FROM ROWS(labelled: tenant text, key text, value text, job_id text)"""
_REPLACE = """
UPDATE jobs SET name = :new_name, labels = :new_labels, revision = :new_revision WHERE job_id =
:described_id"""
_DELETE_OTHERS = """
DELETE FROM job_labels WHERE job_id = :relabelled_id AND key >= '' AND NOT EXISTS (
    SELECT 1 FROM ROWS(kept: key text, value text)
    WHERE kept.key = job_labels.key AND kept.value = job_labels.value)"""


def encode_labels(labels: Mapping[str, str]) -> str:
    """Returns labels as JSON with sorted keys; empty for none."""
    if not labels:
        return ""
    return json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def decode_labels(text: str) -> dict[str, str]:
    """Returns the labels of a stored text."""
    labels: dict[str, str] = json.loads(text) if text else {}
    return labels


def insert_labels(tx: Transaction, jobs: Iterable[JobFacts], where: str) -> None:
    """Queues the insertion of the labels of new jobs, if there are any.

    Args:
        tx: The transaction.
        jobs: The jobs.
        where: Condition on their job_id, or an empty text.
    """
    rows = [row for job in jobs if job.labels for row in _rows_of(job)]
    if rows:
        tx.later(_INSERT + where, labelled=rows)


def replace_name_and_labels(tx: Transaction, job: JobFacts, name: str, labels: Mapping[str, str]) -> None:
    """Replaces the name and all labels of a locked job. Queues the writes; none if they are equal.

    Call it once per transaction, and let the job's transition finish: it raises seq and change_seq, and
    stores the new revision in job_progress.
    """
    text = encode_labels(labels)
    if (name, text) == (job.name, job.labels):
        return
    is_relabelled = text != job.labels
    job.name, job.labels = name, text
    job.revision += 1
    values: dict[str, Any] = {"new_name": name, "new_labels": text, "new_revision": job.revision}
    tx.later(_REPLACE, values | {"described_id": job.job_id})
    if is_relabelled:
        tx.later(_DELETE_OTHERS, {"relabelled_id": job.job_id}, kept=list(labels.items()))
        # Rows that stay are touched by neither statement, as they share one on PostgreSQL.
        tx.later(_INSERT + " WHERE true ON CONFLICT DO NOTHING", labelled=_rows_of(job))


def _rows_of(job: JobFacts) -> list[tuple[str, str, str, str]]:
    return [(job.tenant, key, value, job.job_id) for key, value in decode_labels(job.labels).items()]
