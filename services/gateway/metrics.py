"""Metrics of a gateway; see ``services.shared.metrics`` for the rules of labels."""

from prometheus_client import Counter, Gauge

JOBS_SUBMITTED = Counter(
    "headrace_jobs_submitted_total", "Jobs stored for the first time.", ["kind", "job_class"]
)
LIVE_WORKERS = Gauge("headrace_live_workers", "Workers that the store counts as live, as of the last sweep.")
SWEEPS_FAILED = Counter("headrace_sweeps_failed_total", "Sweeps that failed or got no response.")
