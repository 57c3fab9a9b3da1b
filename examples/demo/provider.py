"""Chooses the provider, the model and the number of items of the demonstration."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

STAND_IN_LATENCY_MS = 200
_STAND_IN_ITEMS = 10_000
_PROVIDER_ITEMS = 200
_DEFAULT_MODEL = "gpt-4o-mini"


class BadSettingError(Exception):
    """An environment variable has an invalid value."""


@dataclass(frozen=True)
class Plan:
    """Settings of the demonstration.

    Attributes:
        item_count: Postings to classify.
        model: Name of the model.
        provider: Host of the provider. None: a local stand-in, so that no call leaves the machine.
    """

    item_count: int
    model: str
    provider: str | None


def read_plan(environ: Mapping[str, str], posting_count: int) -> Plan:
    """Returns the plan from OPENAI_API_KEY, OPENAI_BASE_URL, DEMO_ITEMS and DEMO_MODEL.

    Args:
        environ: Environment variables, such as ``os.environ``.
        posting_count: Number of available postings.

    Raises:
        BadSettingError: DEMO_ITEMS is not a number, or out of range.
    """
    base_url = environ.get("OPENAI_BASE_URL")
    provider = None
    if base_url or environ.get("OPENAI_API_KEY"):
        provider = urlsplit(base_url).hostname or base_url if base_url else "api.openai.com"
    text = environ.get("DEMO_ITEMS") or str(_PROVIDER_ITEMS if provider else _STAND_IN_ITEMS)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= posting_count):
        raise BadSettingError(f"DEMO_ITEMS must be a number from 1 to {posting_count:,}")
    return Plan(int(text), environ.get("DEMO_MODEL") or _DEFAULT_MODEL, provider)


def child_environment(environ: Mapping[str, str], drop: tuple[str, ...], **settings: str) -> dict[str, str]:
    """Returns the environment of a child: that of this process, with some variables removed and others set.

    Args:
        environ: Environment variables, such as ``os.environ``.
        drop: Prefixes of the names to remove.
        settings: Variables to set.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(drop)}
    return kept | settings


def system_environment(environ: Mapping[str, str], plan: Plan, database_url: str) -> dict[str, str]:
    """Returns the environment of the embedded system for a plan with a provider.

    It has the settings of this process, such as HEADRACE_IN_FLIGHT_LIMIT and HEADRACE_LIMITS. Its address,
    its database and its model are those of the demonstration.

    Args:
        environ: Environment variables, such as ``os.environ``.
        plan: Plan of the demonstration.
        database_url: Database of the demonstration.
    """
    defaults = {"HEADRACE_DRAIN_SECONDS": "3", "HEADRACE_LOG_LEVEL": "WARNING"}
    own = {
        "HEADRACE_LISTEN": "127.0.0.1:0",
        "HEADRACE_DATABASE_URL": database_url,
        "HEADRACE_MODEL": plan.model,
    }
    return defaults | {name: value for name, value in environ.items() if value} | own
