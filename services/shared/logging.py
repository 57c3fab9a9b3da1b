"""Structured logs: one JSON object a line on standard error, one line an event.

Item contents, params and secrets never go into a log.
"""

import logging
import sys

import structlog


def configure_logging(service: str, level: str = "INFO") -> None:
    """Sets up logging for the whole process.

    Call it once, before any grpc.aio object exists: grpc takes a lock that a later change of the logging
    configuration would wait for.

    Args:
        service: Name of the service, on every line.
        level: DEBUG, INFO, WARNING or ERROR.
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
    root.setLevel(level)
    for noisy in ("pika", "httpx2", "httpcore2", "openai", "aiosqlite", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # every idle reconnect is a traceback otherwise
    logging.getLogger("dramatiq").setLevel(logging.WARNING)


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
