"""Reading settings from the environment: once, in a service's ``__main__``, and passed down from there."""

import sys
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.shared.setting_types import HostPort


class ServiceSettings(BaseSettings):
    """What every service reads; each has its own class below this one. An empty variable counts as unset.

    Attributes:
        log_level: HEADRACE_LOG_LEVEL.
        drain_seconds: HEADRACE_DRAIN_SECONDS: how long a stopping process lets running calls and streams
            end by themselves, in seconds.
        metrics_listen: HEADRACE_METRICS_LISTEN: host:port where Prometheus finds the metrics of the process;
            port 0 takes a free one, which the log says; unset: they are not served.
    """

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_ignore_empty=True, hide_input_in_errors=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)
    metrics_listen: HostPort | None = None


S = TypeVar("S", bound=BaseSettings)


def read_settings(settings_class: type[S]) -> S:
    """Returns the settings, or ends the process with exit code 2 and a line for each bad or missing one.

    The lines name the variable and what was expected, never the value: it may be a secret.
    """
    try:
        return settings_class()
    except ValidationError as error:
        prefix = settings_class.model_config.get("env_prefix", "")
        for detail in error.errors(include_input=False, include_url=False):
            name = prefix + "_".join(str(part) for part in detail["loc"]).upper()
            print(f"{name}: {detail['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        sys.exit(2)
