"""Settings of the worker."""

from pydantic import Field

from services.shared.setting_types import (
    BrokerUrl,
    HostPort,
    Limits,
    PricesFile,
    RedisUrl,
    Target,
    TenantConcurrency,
)
from services.shared.settings import ServiceSettings


class WorkerSettings(ServiceSettings):
    """Settings of the worker, read from the environment; each has the prefix HEADRACE_.

    Attributes:
        listen: Address that its gRPC server listens on.
        worker_advertise: Address that gateways dial. Unset: the address it listens on, with the name of the
            host for 0.0.0.0 or [::].
        results_target: Address of results.
        rabbitmq_url: ``amqp://...``, or ``memory://`` in a single process.
        redis_url: ``redis://...``, or ``memory://`` to keep cool-downs, limits and responses in this process.
        model: Model of jobs that name none.
        cache_hours: Hours for which the response cache keeps a response.
        prices_file: Prices of models, as JSON. Unset: those that come with Headrace.
        provider_profiles: YAML file that extends the profiles of providers; see ``docs/providers.md``. Unset:
            those that come with Headrace.
        in_flight_limit: Maximum items of a tenant in flight, and calls of all tenants. An eighth more items,
            at least 1, may be in flight for tenants with few.
        outage_seconds: Duration of an outage of the provider after which the jobs of its model are paused.
        limits: Limits by model, as JSON or the path of a file; see ``docs/limits.md``.
        tenant_concurrency: Maximum calls of each tenant at once, as JSON or the path of a file; see
            ``docs/limits.md``.
        quarantine_memory_mb: Memory limit of the child process of quarantined items, in MB; 0: no limit.
    """

    listen: HostPort = "127.0.0.1:50061"
    worker_advertise: HostPort | None = None
    results_target: Target = "127.0.0.1:50052"
    rabbitmq_url: BrokerUrl = Field(repr=False)
    redis_url: RedisUrl = Field(default="memory://", repr=False)
    model: str = "gpt-4o-mini"
    cache_hours: float = Field(default=24.0, gt=0, le=8_760, allow_inf_nan=False)
    prices_file: PricesFile | None = None
    provider_profiles: str | None = None
    in_flight_limit: int = Field(default=100, ge=1, le=10_000)
    outage_seconds: float = Field(default=3600.0, gt=0, le=31_536_000, allow_inf_nan=False)
    limits: Limits = ""
    tenant_concurrency: TenantConcurrency = ""
    quarantine_memory_mb: int = Field(default=512, ge=0)
