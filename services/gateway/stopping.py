"""What calls are answered when this gateway stops."""

from headrace.errors import UnavailableError


def gateway_stopping() -> UnavailableError:
    """Returns the error that has a client go on at another gateway."""
    return UnavailableError(
        "this gateway stops; repeat the call, or go on from the last answer, at another one",
        reason="GATEWAY_STOPPING",
    )
