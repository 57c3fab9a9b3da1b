"""Limits on calls in flight that follow the provider, shared by the workers."""

from services.shared.setting_types import MEMORY
from services.worker.calls.concurrency.limit import DEFAULT_TIMEOUT_SECONDS, ConcurrencyLimit
from services.worker.calls.concurrency.membership import Membership, Message, Reply
from services.worker.calls.concurrency.round import BegunCall
from services.worker.calls.concurrency.shared_limits import SharedLimits


def open_shared_limits(url: str, holder: str, provider: str) -> SharedLimits | None:
    """Returns the limits that a worker shares. They connect when first needed. None for ``memory://``.

    Args:
        url: ``memory://`` for this process alone, or ``redis://...`` to share with other workers.
        holder: Unique name of this process.
        provider: Name of the provider.
    """
    return None if url == MEMORY else SharedLimits(url, holder, provider)


__all__ = [
    "DEFAULT_TIMEOUT_SECONDS",
    "BegunCall",
    "ConcurrencyLimit",
    "Membership",
    "Message",
    "Reply",
    "SharedLimits",
    "open_shared_limits",
]
