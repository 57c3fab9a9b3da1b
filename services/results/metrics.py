"""Metrics of the results service. Each event is counted once, after the commit of its transaction.

Gauges describe the whole system: every replica reads the same numbers from the database.
"""

from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from services.shared.metrics import CALL_BUCKETS, WAIT_BUCKETS

LossCause = Literal["dead", "replaced", "child_died", "unlisted"]

# From a job of one item to an import of a night, in seconds.
JOB_BUCKETS = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0)

JOBS_ENDED = Counter("headrace_jobs_ended_total", "Jobs that became terminal.", ["state"])
JOB_SECONDS = Histogram(
    "headrace_job_seconds",
    "Time from the submit of a job to its end.",
    ["job_class", "state"],
    buckets=JOB_BUCKETS,
)
JOBS = Gauge("headrace_jobs", "Jobs that are not terminal, by state.", ["state"])
ITEMS_WAITING = Gauge(
    "headrace_items_waiting", "Items that a worker with free capacity could lease now.", ["job_class"]
)
JOBS_PURGED = Counter("headrace_jobs_purged_total", "Finished jobs that were purged after their retention.")
ITEMS_RECORDED = Counter(
    "headrace_items_recorded_total", "Stored results of items, each counted once.", ["state"]
)
ITEMS_APPENDED = Counter("headrace_items_appended_total", "Items appended by uploads.")
LEASES_LOST = Counter(
    "headrace_leases_lost_total",
    "Leases that ended unexpectedly: the worker died, the child process of a quarantined chunk died, the"
    " worker was replaced at its address, or the worker never learned of the lease.",
    ["cause"],
)
QUEUE_WAIT_SECONDS = Histogram(
    "headrace_queue_wait_seconds",
    "Time from when a job was ready, or its deferred items were due, to its next lease.",
    ["job_class"],
    buckets=WAIT_BUCKETS,
)
CHANGE_HORIZON_AGE = Gauge(
    "headrace_change_horizon_age",
    "Time for which an open transaction has held back the changes that WatchJobs sends. 0 up to 5 seconds.",
)
TRANSACTION_SECONDS = Histogram(
    "headrace_transaction_seconds",
    "Duration of transactions, including the wait for a connection. Each repeat counts as one more.",
    ["mode"],
    buckets=CALL_BUCKETS,
)
TRANSACTIONS_REPEATED = Counter(
    "headrace_transactions_repeated_total", "Transactions repeated after a deadlock or a lost race."
)
