"""What the results service reads from its environment."""

from pydantic import Field

from services.shared.setting_types import DatabaseUrl, HostPort
from services.shared.settings import ServiceSettings


class ResultsSettings(ServiceSettings):
    """Settings of the results service.

    Attributes:
        listen: HEADRACE_LISTEN: host:port of its gRPC server; port 0 takes a free one.
        database_url: HEADRACE_DATABASE_URL: postgresql://user:password@host/name or sqlite:///path.
    """

    listen: HostPort = "127.0.0.1:50052"
    database_url: DatabaseUrl = Field(repr=False)
