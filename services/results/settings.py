"""Settings of the results service, read from the environment."""

from pydantic import Field

from services.shared.setting_types import DatabaseUrl, HostPort
from services.shared.settings import ServiceSettings


class ResultsSettings(ServiceSettings):
    """Settings of the results service.

    Attributes:
        listen: HEADRACE_LISTEN: host:port of its gRPC server. Port 0 takes a free port.
        database_url: HEADRACE_DATABASE_URL: database: postgresql://user:password@host/name or sqlite:///path.
        retention_hours: HEADRACE_RETENTION_HOURS: retention of finished jobs without one of their own, in
            hours. 0 keeps them for ever.
    """

    listen: HostPort = "127.0.0.1:50052"
    database_url: DatabaseUrl = Field(repr=False)
    retention_hours: float = Field(default=720.0, ge=0, le=1_000_000, allow_inf_nan=False)
