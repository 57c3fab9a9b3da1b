"""The error that a stopping gateway returns."""

from headrace.errors import UnavailableError
from headrace.reasons import ErrorReason


def gateway_stopping() -> UnavailableError:
    """Returns the GATEWAY_STOPPING error, on which a client continues at another gateway."""
    return UnavailableError(
        "this gateway is stopping; repeat the call, or resume the stream, at another gateway",
        reason=ErrorReason.GATEWAY_STOPPING,
    )
