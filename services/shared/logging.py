"""Structured logs: one JSON object a line on standard error, one line an event.

Item contents, params and secrets never go into a log.
"""

import logging
import sys
import traceback

import structlog

_OWN_LOGGERS = ("services", "headrace", "__main__")


def configure_logging(service: str, level: str = "INFO") -> None:
    """Sets up logging for the whole process.

    Call it once, before any grpc.aio object exists: grpc takes a lock that a later change of the logging
    configuration would wait for.

    Args:
        service: Name of the service, on every line.
        level: DEBUG, INFO, WARNING or ERROR; of libraries never less than WARNING.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _name_service(service),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries write statements, rows and requests below WARNING, and those hold items and keys.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    for own in _OWN_LOGGERS:
        logging.getLogger(own).setLevel(level)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # every idle reconnect is a traceback otherwise


def _name_service(service: str) -> structlog.types.Processor:
    def add(
        logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        event["service"] = service
        return event

    return add


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns the logger of a module; its events are nouns with a past participle, such as job_submitted."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def fault_fields(fault: BaseException) -> dict[str, str]:
    """Returns what a line tells of an exception that nobody foresaw: its class and where it was raised.

    Its text stays out: it may repeat what an item holds.
    """
    return {"error": type(fault).__name__, "traceback": "".join(traceback.format_tb(fault.__traceback__))}


def job_fields(job_id: str, tenant: str, trace_id: str) -> dict[str, str]:
    """Returns what every line about a job tells of it.

    Args:
        job_id: The job.
        tenant: Its owner.
        trace_id: The trace it was submitted in; empty: none, and not on the line.
    """
    fields = {"job_id": job_id, "tenant": tenant}
    return fields | {"trace_id": trace_id} if trace_id else fields
