"""An outage of a model, and the errors of calls that it affects."""

from collections.abc import Callable
from dataclasses import dataclass

from headrace.kinds import RetryableError
from headrace.reasons import ErrorReason

# Delays before the first probes of an outage; the last one repeats. In seconds, times a jitter of 0.5 to 1.
PROBE_DELAYS = (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 4.0, 5.0)
# Time after which a probe without a response no longer keeps others from probing, in seconds.
PROBE_SECONDS = 30.0
# Maximum length of the message of an outage.
MAX_WORDS_CHARACTERS = 300


@dataclass(kw_only=True)
class Outage:
    """An outage as this process knows it. Times are of its monotonic clock, in seconds.

    Attributes:
        outage_id: Unique id, the same on all workers.
        begin: Time at which the breaker opened.
        next_probe: Time from which the next probe may begin.
        probe_count: Probes that failed.
        reason: Reason of the last fault.
        message: Message of the last fault, with the provider's own words.
        probe_token: Token of the probe in flight. Empty if there is none.
        probe_end: Time from which the probe in flight no longer keeps others from probing.
    """

    outage_id: str
    begin: float
    next_probe: float
    probe_count: int = 0
    reason: str
    message: str
    probe_token: str = ""
    probe_end: float = float("-inf")


class SparedError(RetryableError):
    """A failed call that does not use up an attempt of its item: the provider is at fault.

    Attributes:
        is_open: Whether the model was in an outage. Otherwise calls of other items failed too.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        retry_after: float | None,
        *,
        is_open: bool,
        detail: str | None = None,
    ) -> None:
        super().__init__(reason, message, retry_after, detail=detail)
        self.is_open = is_open


def spared(error: RetryableError, *, is_open: bool) -> SparedError:
    """Returns an error as one that does not use up an attempt."""
    return SparedError(error.reason, error.message, error.retry_after, is_open=is_open, detail=error.detail)


def last_words(error: RetryableError) -> str:
    """Returns the message of a fault and the provider's own words, masked and cut, in one line."""
    text = f"{error.message}: {error.detail}" if error.detail else error.message
    return " ".join(text.split())[:MAX_WORDS_CHARACTERS]


def not_called() -> SparedError:
    """Returns the error of a call that was not made, because its model is in an outage."""
    return SparedError(
        ErrorReason.PROVIDER_UNREACHABLE, "the provider is down; the call was not made", None, is_open=True
    )


def probe_delay(probe_count: int, rng: Callable[[], float]) -> float:
    """Returns the time before the next probe, in seconds.

    Args:
        probe_count: Probes that failed.
        rng: Random numbers from 0 to 1, for jitter.
    """
    return PROBE_DELAYS[min(probe_count, len(PROBE_DELAYS) - 1)] * (0.5 + 0.5 * rng())
