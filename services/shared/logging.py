"""Structured logs: one JSON object per event and line, on standard error.

Item contents, params and secrets are never logged.
"""

import logging
import sys
import traceback

import structlog

_OWN_LOGGERS = ("services", "headrace", "__main__")


def configure_logging(service: str, level: str = "INFO") -> None:
    """Configures logging for the whole process.

    Call it once, before any grpc.aio object exists. grpc holds a lock that a later change of the
    configuration would wait for.

    Args:
        service: Name of the service, added to every line.
        level: DEBUG, INFO, WARNING or ERROR. Libraries never log below WARNING.
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
    root = logging.getLogger()
    root.handlers = [_json_handler(service, shared)]
    # Below WARNING, libraries log statements, rows and requests, which contain items and keys.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    for own in _OWN_LOGGERS:
        logging.getLogger(own).setLevel(level)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # it logs a traceback at every idle reconnect


def _json_handler(service: str, processors: list[structlog.types.Processor]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _name_service(service),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    return handler


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


def fault_fields(fault: BaseException) -> dict[str, str]:
    """Returns the log fields of an unexpected exception: its class and its traceback.

    Its text is left out, because it may repeat the content of an item.
    """
    return {"error": type(fault).__name__, "traceback": "".join(traceback.format_tb(fault.__traceback__))}


def job_fields(job_id: str, tenant: str, trace_id: str) -> dict[str, str]:
    """Returns the log fields of every line about a job.

    Args:
        job_id: Id of the job.
        tenant: Owner of the job.
        trace_id: Trace that it was submitted in. Left out if empty.
    """
    fields = {"job_id": job_id, "tenant": tenant}
    return fields | {"trace_id": trace_id} if trace_id else fields
