"""Reads settings from the environment, once per process, in ``__main__``."""

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.shared.setting_types import HostPort


class ServiceSettings(BaseSettings):
    """Settings of every service. Each service extends this class. An empty variable counts as unset.

    Attributes:
        log_level: HEADRACE_LOG_LEVEL. Lowest level that is logged.
        drain_seconds: HEADRACE_DRAIN_SECONDS. Time for calls and streams to end when the process stops.
        metrics_listen: HEADRACE_METRICS_LISTEN. ``host:port`` that serves the metrics of the process. Port 0
            picks a free one, which is logged. No metrics are served if unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_ignore_empty=True, hide_input_in_errors=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)
    metrics_listen: HostPort | None = None


S = TypeVar("S", bound=BaseSettings)


def read_settings(settings_class: type[S], **checks: Callable[[Any], object]) -> S:
    """Returns the settings. If any is invalid or missing, prints a line for each and exits with code 2.

    A line names the variable and the expected form. It never shows the value, which may be a secret.

    Args:
        settings_class: Class of the settings.
        checks: Further checks by the name of a setting. Each raises ValueError for an invalid value.
    """
    prefix = settings_class.model_config.get("env_prefix", "")
    try:
        settings = settings_class()
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            name = prefix + "_".join(str(part) for part in detail["loc"]).upper()
            print(f"{name}: {detail['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        sys.exit(2)
    for setting, check in checks.items():
        try:
            check(getattr(settings, setting))
        except ValueError as error:
            print(f"{prefix}{setting.upper()}: {error}", file=sys.stderr)
            sys.exit(2)
    return settings
