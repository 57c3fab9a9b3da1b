"""Logs the exceptions that nobody catches, and the warnings of Python."""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

from services.shared.foreign_logs.records import fault_fields


def install_hooks() -> None:
    """Logs warnings, and uncaught exceptions of the process, of threads and of finalizers."""
    log: Any = structlog.wrap_logger(logging.getLogger("services.process"))

    def process_crashed(
        kind: type[BaseException], fault: BaseException, frames: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            log.warning("process_interrupted")
        else:
            log.critical("process_crashed", **fault_fields(fault))

    def thread_crashed(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            name = args.thread.name if args.thread else ""
            log.error("thread_crashed", thread=name, **fault_fields(args.exc_value))

    def finalizer_failed(args: "sys.UnraisableHookArgs") -> None:
        if args.exc_value is not None:
            log.error("finalizer_failed", **fault_fields(args.exc_value))

    logging.captureWarnings(True)
    sys.excepthook = process_crashed
    threading.excepthook = thread_crashed
    sys.unraisablehook = finalizer_failed
