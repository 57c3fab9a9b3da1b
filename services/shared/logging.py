"""Structured logs: one JSON object per event and line, on standard error; plain lines for people.

Item contents, params and secrets are never logged.
"""

import json
import logging
import os
import sys
from typing import TextIO

import structlog

from services.shared.foreign_logs.hooks import install_hooks
from services.shared.foreign_logs.records import fault_fields, hide_exception_text, hide_quoted_values
from services.shared.foreign_logs.stderr import StderrLines

__all__ = ["configure_logging", "fault_fields", "get_logger", "job_fields"]

_OWN_LOGGERS = ("services", "headrace", "__main__")


def configure_logging(service: str, level: str = "INFO", *, for_people: bool = False) -> None:
    """Configures logging for the whole process: its own log lines, and all else that is printed or raised.

    Call it once, before any grpc.aio object exists. grpc holds a lock that a later change of the
    configuration would wait for.

    Args:
        service: Name of the service, added to every line.
        level: DEBUG, INFO, WARNING or ERROR. Libraries never log below WARNING.
        for_people: Whether to write plain lines instead of JSON.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_exception_text,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_handler(shared, _lines_for_people() if for_people else _json_lines(service))]
    # Below WARNING, libraries log statements, rows and requests, which contain items and keys.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    for own in _OWN_LOGGERS:
        logging.getLogger(own).setLevel(level)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # it logs a traceback at every idle reconnect
    sys.stderr = StderrLines(sys.stderr)
    install_hooks()


class _JsonHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a method of logging
        # Python's own would print the arguments of the record.
        self.stream.write(json.dumps({"event": "record_not_logged", "logger": record.name}) + self.terminator)


def _handler(
    processors: list[structlog.types.Processor], last: list[structlog.types.Processor]
) -> logging.Handler:
    handler = _JsonHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[hide_quoted_values, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    return handler


def _json_lines(service: str) -> list[structlog.types.Processor]:
    return [_name_service(service), structlog.processors.JSONRenderer()]


def _lines_for_people() -> list[structlog.types.Processor]:
    has_colours = bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()
    return [
        _shorten_for_people,
        structlog.dev.ConsoleRenderer(
            colors=has_colours and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _shorten_for_people(
    logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Drops what one process on one machine does not need, and what would control its terminal."""
    for field in ("logger", "trace_id"):
        event.pop(field, None)
    event["timestamp"] = str(event.get("timestamp", ""))[11:19]
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _name_service(service: str) -> structlog.types.Processor:
    def add(
        logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        event["service"] = service
        return event

    return add


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns the logger of a module. Events are a noun and a past participle, such as ``job_submitted``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def job_fields(job_id: str, tenant: str, trace_id: str) -> dict[str, str]:
    """Returns the log fields of every line about a job.

    Args:
        job_id: Id of the job.
        tenant: Owner of the job.
        trace_id: Trace that it was submitted in. Left out if empty.
    """
    fields = {"job_id": job_id, "tenant": tenant}
    return fields | {"trace_id": trace_id} if trace_id else fields
