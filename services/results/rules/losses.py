"""What an unexpected end of a lease does to its chunk."""

from enum import Enum
from typing import NamedTuple

LOSSES_TO_QUARANTINE = 2
LOSSES_ALONE_TO_FAIL = 3
# The whole worker died, maybe of something else: only every second such loss speaks against the chunk.
WORKER_LOSSES_PER_COUNT = 2


class Verdict(Enum):
    """What to do with a chunk that was lost."""

    AGAIN = "lease it again"
    HALVE = "halve it"
    FAIL = "fail its only item"


class Losses(NamedTuple):
    """The losses of a chunk.

    Attributes:
        loss_count: All of them.
        quarantined: Whether it is run alone.
        quarantine_loss_count: Those in quarantine since it was last halved.
    """

    loss_count: int
    quarantined: bool
    quarantine_loss_count: int


def count_loss(losses: Losses, unfinished_count: int) -> tuple[Losses, Verdict]:
    """Returns the losses after one more, with the whole worker, and what to do.

    A chunk is quarantined at its second loss. In quarantine every second loss counts: at each that counts
    it is halved, and a single item fails at the third.

    Args:
        losses: Those before.
        unfinished_count: Items of the chunk without a result.
    """
    loss_count = losses.loss_count + 1
    if not losses.quarantined:
        return Losses(loss_count, loss_count >= LOSSES_TO_QUARANTINE, 0), Verdict.AGAIN
    in_quarantine = losses.quarantine_loss_count + 1
    after = Losses(loss_count, True, in_quarantine)
    counted, rest = divmod(in_quarantine, WORKER_LOSSES_PER_COUNT)
    if rest:
        return after, Verdict.AGAIN
    if unfinished_count > 1:
        return Losses(loss_count, True, 0), Verdict.HALVE
    return after, Verdict.FAIL if counted >= LOSSES_ALONE_TO_FAIL else Verdict.AGAIN
