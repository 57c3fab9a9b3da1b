"""Types of settings. Error messages never show the value, because it may contain a password."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.shared.prices import read_prices

_HOST_PORT = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^:\s/\[\]]+):(\d{1,5})")
_MAX_PORT = 65_535
T = TypeVar("T")
MEMORY = "memory://"


def _check_host_port(value: str) -> str:
    found = _HOST_PORT.fullmatch(value)
    if found is None or int(found[1]) > _MAX_PORT:
        raise ValueError("must be host:port, with a port from 0 to 65535, such as 127.0.0.1:50051")
    return value


def _check_target(value: str) -> str:
    if not value or re.search(r"\s", value):
        raise ValueError("must be host:port or a gRPC name without blanks, such as dns:///results:50052")
    return value


def _is_server_url(value: str, schemes: str) -> bool:
    """Returns whether a URL names one server. A password that is not percent-encoded makes it invalid."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:  # a port that is not a number, or a broken IPv6 address
        return False
    is_cut_short = (
        parts.netloc.count("@") > 1 or parts.fragment or re.search("[@;]", parts.path + parts.query)
    )
    return bool(re.fullmatch(schemes, parts.scheme) and parts.hostname and port != 0 and not is_cut_short)


def _server_url(schemes: str, form: str, is_other: Callable[[str], bool]) -> Callable[[str], str]:
    """Returns a validator of URLs.

    Args:
        schemes: Regular expression of the schemes.
        form: Expected form, for the error message.
        is_other: Returns whether a value is valid although it names no server.
    """

    def check(value: str) -> str:
        if is_other(value) or _is_server_url(value, schemes):
            return value
        raise ValueError(f"must be {form}; in a password, write # as %23, / as %2F and @ as %40")

    return check


def _check_prices_file(value: str) -> str:
    read_prices(value)
    return value


def _is_memory(value: str) -> bool:
    return value == MEMORY


def _is_sqlite(value: str) -> bool:
    return re.fullmatch(r"sqlite(\+aiosqlite)?:///.+", value) is not None


HostPort = Annotated[str, AfterValidator(_check_host_port)]
PricesFile = Annotated[str, AfterValidator(_check_prices_file)]
Target = Annotated[str, AfterValidator(_check_target)]
BrokerUrl = Annotated[
    str,
    AfterValidator(
        _server_url("amqps?", "amqp://user:password@host:port/vhost (or amqps), or memory://", _is_memory)
    ),
]
RedisUrl = Annotated[
    str,
    AfterValidator(
        _server_url("rediss?", "redis://user:password@host:port/number (or rediss), or memory://", _is_memory)
    ),
]
DatabaseUrl = Annotated[
    str,
    AfterValidator(
        _server_url(
            r"postgresql(\+asyncpg)?",
            "postgresql://user:password@host:port/name, or sqlite:///path",
            _is_sqlite,
        )
    ),
]


class ModelLimit(BaseModel):
    """Limits of a model with one provider key, for all workers together. Each is unlimited if unset.

    Attributes:
        requests_per_minute: Maximum calls in a minute.
        tokens_per_minute: Maximum input and output tokens in a minute.
        concurrency: Maximum calls in flight.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    concurrency: int | None = Field(default=None, ge=1, le=1_000_000)

    @property
    def is_per_minute(self) -> bool:
        """Whether requests or tokens are limited."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


def _read_mapping(value: str, adapter: TypeAdapter[dict[str, T]], form: str) -> dict[str, T]:
    """Returns the mapping in a JSON text or a file. Empty if the text is empty.

    Args:
        value: JSON text, or the path of a file that contains it.
        adapter: Type of the mapping.
        form: Expected form, for the error message.

    Raises:
        ValueError: The value is neither.
    """
    if not value.strip():
        return {}
    try:
        text = value if value.lstrip().startswith("{") else Path(value).read_text()
        return adapter.validate_json(text)
    except (OSError, ValidationError) as error:
        raise ValueError(
            f"{_field(error)}must be JSON such as {form}; "
            "or the path of a readable file that contains such JSON"
        ) from None


def _field(error: Exception) -> str:
    """Returns the place of the first invalid entry and its fault, for an error message."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}; the value " if place else ""


_MODEL_LIMITS = TypeAdapter(dict[str, ModelLimit])


def read_limits(value: str) -> dict[str, ModelLimit]:
    """Returns the limits by model. ``*`` applies to every model without an entry.

    Args:
        value: JSON text, or the path of a file that contains it. Empty for no limits.

    Raises:
        ValueError: The value is neither.
    """
    form = (
        '{"MODEL": {"requests_per_minute": 600, "tokens_per_minute": 200000, "concurrency": 40}, "*": {...}}'
    )
    return _read_mapping(value, _MODEL_LIMITS, f"{form}, each number 1 or more")


_TENANT_LIMITS = TypeAdapter(dict[str, Annotated[int, Field(strict=True, ge=1, le=1_000_000)]])


def read_tenant_concurrency(value: str) -> dict[str, int]:
    """Returns the maximum calls in flight by tenant. ``*`` applies to every tenant without an entry.

    Args:
        value: JSON text, or the path of a file that contains it. Empty for no limits.

    Raises:
        ValueError: The value is neither.
    """
    return _read_mapping(value, _TENANT_LIMITS, '{"TENANT": 300, "*": 100}, each number from 1 to 1000000')


def _check_tenant_concurrency(value: str) -> str:
    read_tenant_concurrency(value)
    return value


def _check_limits(value: str) -> str:
    read_limits(value)
    return value


Limits = Annotated[str, AfterValidator(_check_limits)]
TenantConcurrency = Annotated[str, AfterValidator(_check_tenant_concurrency)]
