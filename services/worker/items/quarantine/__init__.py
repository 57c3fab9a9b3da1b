"""Quarantine: items that may kill their process run in a child process of the worker."""

from services.worker.items.quarantine.child_process import ChildDiedError, ChildNotStartedError
from services.worker.items.quarantine.quarantine import Quarantine

__all__ = ["ChildDiedError", "ChildNotStartedError", "Quarantine"]
