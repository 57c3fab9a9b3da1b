"""The LLM provider of the workers: the one in the environment, or the stand-in."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Provider:
    """A provider, configured for workers.

    Attributes:
        label: Name for messages, without secrets.
        settings: OPENAI_* variables for the workers.
        is_stand_in: Whether it is the local stand-in, not a real model.
    """

    label: str
    settings: dict[str, str]
    is_stand_in: bool


def provider_of_environment() -> Provider | None:
    """Returns the provider of OPENAI_API_KEY and OPENAI_BASE_URL, or None if neither is set."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("OPENAI_") and value}
    base_url = settings.get("OPENAI_BASE_URL")
    if base_url is None and "OPENAI_API_KEY" not in settings:
        return None
    host = urlsplit(base_url).hostname if base_url else None
    return Provider(f"the provider at {host}" if host else "the OpenAI API", settings, False)


def stand_in_at(port: int) -> Provider:
    """Returns the stand-in at a port of this machine."""
    settings = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "stand-in"}
    return Provider("the stand-in, which is not a real model", settings, True)
