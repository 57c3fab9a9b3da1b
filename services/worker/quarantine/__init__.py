"""Quarantine: items that may kill their process run in a child process of the worker."""

from services.worker.quarantine.child_process import ChildDiedError, ChildNotStartedError
from services.worker.quarantine.quarantine import Quarantine

__all__ = ["ChildDiedError", "ChildNotStartedError", "Quarantine"]
