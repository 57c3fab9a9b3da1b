"""Processors for log records: exceptions without their text, and messages of libraries without values."""

import re
import sys
import traceback

import structlog

# Their messages quote metadata with bearer tokens, paths of requests, and exceptions.
_QUOTING_LOGGERS = ("grpc", "asyncio")
_WORDS = re.compile(r"[\w ,.-]*\w", re.ASCII)


def fault_fields(fault: BaseException) -> dict[str, str]:
    """Returns the log fields of an unexpected exception: its class and its traceback.

    Its text is left out, because it may repeat the content of an item.
    """
    return {"error": type(fault).__name__, "traceback": "".join(traceback.format_tb(fault.__traceback__))}


def hide_exception_text(
    logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Replaces the exception of a record with its class and its traceback."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        for name, value in fault_fields(info).items():
            event.setdefault(name, value)
    return event


def hide_quoted_values(
    logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Cuts a message of grpc or asyncio before the first value in it. Other libraries keep theirs."""
    record = event["_record"]
    if record.name.partition(".")[0] in _QUOTING_LOGGERS:
        template = type(record.msg).__name__ if isinstance(record.msg, BaseException) else str(record.msg)
        words = _WORDS.match(template)
        event["event"] = words[0] if words else "message_hidden"
    return event
