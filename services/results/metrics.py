"""What results counts: each thing once, when its transaction is committed."""

from typing import Literal

from prometheus_client import Counter, Histogram

from services.shared.metrics import CALL_BUCKETS, WAIT_BUCKETS

LossCause = Literal["dead", "replaced", "child_died", "unlisted"]

JOBS_ENDED = Counter("headrace_jobs_ended_total", "Jobs that have become terminal.", ["state"])
JOBS_PURGED = Counter("headrace_jobs_purged_total", "Finished jobs that are no longer kept.")
ITEMS_RECORDED = Counter("headrace_items_recorded_total", "Results of items, each stored once.", ["state"])
ITEMS_APPENDED = Counter("headrace_items_appended_total", "Items that uploads brought.")
LEASES_LOST = Counter(
    "headrace_leases_lost_total",
    "Leases that ended unexpectedly: the worker, or the child process of a quarantined chunk, died; or the"
    " worker was replaced at its address, or never heard of them.",
    ["cause"],
)
QUEUE_WAIT_SECONDS = Histogram(
    "headrace_queue_wait_seconds",
    "From when a job could be worked on, or deferred items of it were due, until its first lease then.",
    ["job_class"],
    buckets=WAIT_BUCKETS,
)
TRANSACTION_SECONDS = Histogram(
    "headrace_transaction_seconds",
    "How long transactions took, with the wait for a connection; a repeat is one more.",
    ["mode"],
    buckets=CALL_BUCKETS,
)
TRANSACTIONS_REPEATED = Counter(
    "headrace_transactions_repeated_total", "Transactions run again after a deadlock or a lost race."
)
