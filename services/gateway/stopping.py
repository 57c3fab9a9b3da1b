"""What streams are answered when this gateway stops."""

from headrace.errors import UnavailableError


def gateway_stopping() -> UnavailableError:
    """Returns the error that has a client go on at another gateway."""
    return UnavailableError(
        "this gateway stops; go on at another one from the last answer", reason="GATEWAY_STOPPING"
    )
