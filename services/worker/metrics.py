"""Metrics of a worker; see ``services.shared.metrics`` for the rules of labels."""

from prometheus_client import Counter, Gauge, Histogram

from services.shared.metrics import CALL_BUCKETS, WAIT_BUCKETS, LabelCap

PROVIDER_CALLS = Counter(
    "headrace_provider_calls_total",
    "Calls to the provider that have ended, by outcome: succeeded, cancelled, or the reason of the failure.",
    ["model", "outcome"],
)
PROVIDER_CALL_SECONDS = Histogram(
    "headrace_provider_call_seconds",
    "Duration of calls to the provider, whatever their outcome.",
    ["model"],
    buckets=WAIT_BUCKETS,
)
TOKENS = Counter(
    "headrace_tokens_total",
    "Tokens of calls to the provider: input, output, cached (a part of the input).",
    ["model", "type"],
)
COST_DOLLARS = Counter(
    "headrace_cost_dollars_total", "Cost of calls to the provider, by the prices of the models.", ["model"]
)
CACHED_RESPONSES = Counter(
    "headrace_cached_responses_total",
    "Calls of jobs with cache_responses: found, shared with an equal call under way, called, or called while "
    "the cache was unreachable.",
    ["outcome"],
)
LIMIT_WAIT_SECONDS = Histogram(
    "headrace_limit_wait_seconds",
    "Time that calls waited for the rate limit of their model.",
    ["model"],
    buckets=WAIT_BUCKETS,
)
PROVIDER_OUTAGES = Gauge(
    "headrace_provider_outages",
    "1 while a model of the provider is down and no call of it begins.",
    ["model"],
)
LIMITS_DEGRADED = Gauge(
    "headrace_limits_degraded",
    "1 while Redis is unreachable and the worker keeps its own part of each limit.",
)
TENANT_SLOTS = Gauge(
    "headrace_tenant_slots", "Calls of a tenant that this worker may have in flight now.", ["tenant"]
)
TENANT_LIMIT = Gauge(
    "headrace_tenant_limit", "Calls of a tenant that all workers together may have in flight.", ["tenant"]
)
CONCURRENCY_LIMIT = Gauge(
    "headrace_concurrency_limit", "Calls of a model that this worker may have in flight now.", ["model"]
)
ITEM_RETRIES = Counter(
    "headrace_item_retries_total",
    "Failed attempts of items that are followed by another attempt.",
    ["reason"],
)
ITEMS_IN_FLIGHT = Gauge("headrace_items_in_flight", "Items in flight.")
LEASED_ITEMS = Gauge("headrace_leased_items", "Leased items without an outcome, including those in flight.")
HEARTBEATS_FAILED = Counter("headrace_heartbeats_failed_total", "Heartbeats that results did not answer.")
RECORD_BATCH_ENTRIES = Histogram(
    "headrace_record_batch_entries",
    "Outcomes, deferrals and releases sent to results in one call.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
RECORD_SECONDS = Histogram(
    "headrace_record_seconds",
    "Time until results acknowledged a batch, including all repeats.",
    buckets=CALL_BUCKETS,
)

# Capped: clients choose the names of models, and kinds of other teams choose the reasons.
model_label = LabelCap()
tenant_label = LabelCap()
reason_label = LabelCap()
