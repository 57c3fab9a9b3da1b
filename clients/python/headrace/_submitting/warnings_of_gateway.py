"""Logs what a gateway warns of when it accepts a job: mistakes that do not make it invalid."""

import logging
from collections.abc import Iterable

log = logging.getLogger("headrace")


def log_warnings(warnings: Iterable[str]) -> None:
    """Logs each warning, at the level WARNING of the logger ``headrace``."""
    for warning in warnings:
        log.warning("%s", warning)
