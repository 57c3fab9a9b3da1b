"""What a worker counts; see ``services.shared.metrics`` for the rules of labels."""

from prometheus_client import Counter, Gauge, Histogram

from services.shared.metrics import CALL_BUCKETS, WAIT_BUCKETS, LabelCap

PROVIDER_CALLS = Counter(
    "headrace_provider_calls_total",
    "Calls to the provider that have ended: succeeded, cancelled, or the reason why they failed.",
    ["model", "outcome"],
)
PROVIDER_CALL_SECONDS = Histogram(
    "headrace_provider_call_seconds",
    "How long calls to the provider took, however they ended.",
    ["model"],
    buckets=WAIT_BUCKETS,
)
CACHED_RESPONSES = Counter(
    "headrace_cached_responses_total",
    "Calls of jobs with cache_responses: found, shared with an equal call under way, called, or called while "
    "the cache was unreachable.",
    ["outcome"],
)
LIMIT_WAIT_SECONDS = Histogram(
    "headrace_limit_wait_seconds",
    "How long calls waited for the rate limit of their model.",
    ["model"],
    buckets=WAIT_BUCKETS,
)
LIMITS_DEGRADED = Gauge(
    "headrace_limits_degraded", "1 while Redis cannot be asked and the worker takes its part of each limit."
)
TENANT_SLOTS = Gauge(
    "headrace_tenant_slots", "Calls of a tenant that this worker may have under way now.", ["tenant"]
)
TENANT_LIMIT = Gauge(
    "headrace_tenant_limit", "Calls of a tenant that all workers may have under way together.", ["tenant"]
)
CONCURRENCY_LIMIT = Gauge(
    "headrace_concurrency_limit", "Calls of a model that may be under way on the worker now.", ["model"]
)
ITEM_RETRIES = Counter(
    "headrace_item_retries_total",
    "Attempts of items that failed and are followed by another one.",
    ["reason"],
)
ITEMS_IN_FLIGHT = Gauge("headrace_items_in_flight", "Items being worked on.")
LEASED_ITEMS = Gauge(
    "headrace_leased_items", "Items under lease without an outcome, those in flight included."
)
HEARTBEATS_FAILED = Counter("headrace_heartbeats_failed_total", "Heartbeats that results did not answer.")
RECORD_BATCH_ENTRIES = Histogram(
    "headrace_record_batch_entries",
    "How many outcomes, deferrals and releases went to results in one call.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
RECORD_SECONDS = Histogram(
    "headrace_record_seconds",
    "How long results took to acknowledge a batch, with all repeats.",
    buckets=CALL_BUCKETS,
)

# Clients name models, and kinds of other teams name reasons.
model_label = LabelCap()
tenant_label = LabelCap()
reason_label = LabelCap()
