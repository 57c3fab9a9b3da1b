"""Settings of the embedded system."""

from pydantic import Field

from services.shared.setting_types import (
    DatabaseUrl,
    HostPort,
    Limits,
    PricesFile,
    RedisUrl,
    TenantConcurrency,
)
from services.shared.settings import ServiceSettings


class EmbeddedSettings(ServiceSettings):
    """Settings of the embedded system, read from the environment with the prefix HEADRACE_.

    Attributes:
        listen: Address of the gateway. The two other services take free loopback ports.
        database_url: SQLite or PostgreSQL; migrated to the newest schema at each start.
        redis_url: ``memory://``, or ``redis://...`` to share limits and cached responses with other systems.
        model: Model of jobs that name none.
        cache_hours: Lifetime of cached responses, in hours.
        prices_file: Prices of models, as JSON. The prices that come with Headrace if unset.
        provider_profiles: YAML file that extends the profiles of providers; see ``docs/providers.md``. Those
            that come with Headrace if unset.
        in_flight_limit: Maximum items in flight.
        outage_seconds: Duration of an outage of the provider after which the jobs of its model are paused.
        limits: Rate limits by model, as JSON or the path of a file; see ``docs/limits.md``.
        tenant_concurrency: Maximum calls in flight per tenant, as JSON or the path of a file; see
            ``docs/limits.md``.
        gateway_resync_seconds: Time without a snapshot after which a watched job is read again from the
            store, in seconds; 0: never.
        retention_hours: Time for which finished jobs are kept, in hours; 0: for ever.
    """

    listen: HostPort = "127.0.0.1:50051"
    database_url: DatabaseUrl = Field(default="sqlite+aiosqlite:///.run/embedded/headrace.db", repr=False)
    redis_url: RedisUrl = Field(default="memory://", repr=False)
    model: str = "gpt-4o-mini"
    cache_hours: float = Field(default=24.0, gt=0, le=8_760, allow_inf_nan=False)
    prices_file: PricesFile | None = None
    provider_profiles: str | None = None
    in_flight_limit: int = Field(default=100, ge=1, le=10_000)
    outage_seconds: float = Field(default=3600.0, gt=0, le=31_536_000, allow_inf_nan=False)
    limits: Limits = ""
    tenant_concurrency: TenantConcurrency = ""
    gateway_resync_seconds: float = Field(default=1.0, ge=0)
    retention_hours: float = Field(default=720.0, ge=0, le=1_000_000, allow_inf_nan=False)
