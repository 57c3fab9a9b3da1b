"""Effect of unexpectedly ended leases on a chunk: quarantine, halving, failure."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

LOSSES_TO_QUARANTINE = 2
DEATHS_ALONE_TO_FAIL = 3
# If the whole worker died, the cause may be something else, so only every second such loss counts against the
# chunk. Losses in quarantine are therefore counted in halves of a death that the worker saw in its child
# process.
LOSSES_PER_DEATH = 2


class Verdict(Enum):
    """Consequence of a loss for the chunk."""

    AGAIN = "lease it again"
    HALVE = "halve it"
    FAIL = "fail its only item"


class Losses(NamedTuple):
    """Losses of a chunk.

    Attributes:
        loss_count: All losses.
        quarantined: Whether it is run alone.
        quarantine_loss_count: Losses in quarantine since it was last cut. A death in a child process counts
            as two.
    """

    loss_count: int
    quarantined: bool
    quarantine_loss_count: int


def count_loss(losses: Losses, unfinished_count: int) -> tuple[Losses, Verdict]:
    """Counts a loss with the whole worker.

    The second loss quarantines a chunk. In quarantine every second loss counts: a loss that counts halves the
    chunk, and the third one fails a single item.

    Args:
        losses: Losses so far.
        unfinished_count: Items of the chunk without a result.

    Returns:
        The losses, this one included, and the verdict.
    """
    loss_count = losses.loss_count + 1
    if not losses.quarantined:
        return Losses(loss_count, loss_count >= LOSSES_TO_QUARANTINE, 0), Verdict.AGAIN
    in_quarantine = losses.quarantine_loss_count + 1
    if in_quarantine % LOSSES_PER_DEATH:
        return Losses(loss_count, True, in_quarantine), Verdict.AGAIN
    return _judge(Losses(loss_count, True, in_quarantine), unfinished_count)


def count_death(losses: Losses, suspect_count: int) -> tuple[Losses, Verdict]:
    """Counts the death of the child process that ran a quarantined chunk.

    Args:
        losses: Losses so far.
        suspect_count: Items that may have killed the process.

    Returns:
        The losses, this one included, and the verdict. With a single suspect, the losses of that item alone.
    """
    in_quarantine = losses.quarantine_loss_count + LOSSES_PER_DEATH
    return _judge(Losses(losses.loss_count + 1, True, in_quarantine), suspect_count)


def _judge(losses: Losses, suspect_count: int) -> tuple[Losses, Verdict]:
    if suspect_count > 1:
        return losses._replace(quarantine_loss_count=0), Verdict.HALVE
    has_failed = losses.quarantine_loss_count >= DEATHS_ALONE_TO_FAIL * LOSSES_PER_DEATH
    return losses, Verdict.FAIL if has_failed else Verdict.AGAIN


def cut_around(unfinished: Sequence[int], suspects: Sequence[int]) -> list[int]:
    """Returns the indexes at which to cut a chunk, so that half of the suspects are in a part of their own.

    The items after the last suspect were not started and become a part too. Every part has unfinished items.

    Args:
        unfinished: Indexes of the chunk's items without a result, ascending.
        suspects: Those that may have killed a process, ascending; one or more.
    """
    second_half = suspects[(len(suspects) + 1) // 2 :] or suspects
    behind = [index for index in unfinished if index > suspects[-1]]
    return [index for index in (second_half[0], *behind[:1]) if index > unfinished[0]]
