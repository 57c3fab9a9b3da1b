"""Name and labels of a job."""

# TWIN of branch `labels`: the whole file. It also writes the rows of job_labels.

import json
from collections.abc import Mapping

from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts

_REPLACE = "UPDATE jobs SET name = :new_name, labels = :new_labels WHERE job_id = :named_job_id"


def labels_of(job: JobFacts) -> dict[str, str]:
    """Returns the labels of a job."""
    labels: dict[str, str] = json.loads(job.labels) if job.labels else {}
    return labels


def encode_labels(labels: Mapping[str, str]) -> str | None:
    """Returns the stored text of labels, equal for equal ones; None for none."""
    return json.dumps(dict(sorted(labels.items())), ensure_ascii=False) if labels else None


async def replace_labels(tx: Transaction, job: JobFacts, name: str | None, labels: str | None) -> None:
    """Replaces the name and the labels of a locked job.

    Args:
        tx: The transaction.
        job: The job.
        name: New name. None or empty for none.
        labels: Text of ``encode_labels``.
    """
    job.name, job.labels = name, labels
    await tx.run(_REPLACE, {"new_name": name, "new_labels": labels, "named_job_id": job.job_id})
