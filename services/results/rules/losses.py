"""What an unexpected end of a lease does to its chunk."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

LOSSES_TO_QUARANTINE = 2
DEATHS_ALONE_TO_FAIL = 3
# The whole worker died, maybe of something else: only every second such loss speaks against the chunk. So
# losses in quarantine are counted in halves of a death that the worker saw in its child process.
LOSSES_PER_DEATH = 2


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
        quarantine_loss_count: Those in quarantine since it was last cut, a death in a child process as two.
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
    if in_quarantine % LOSSES_PER_DEATH:
        return Losses(loss_count, True, in_quarantine), Verdict.AGAIN
    return _judge(Losses(loss_count, True, in_quarantine), unfinished_count)


def count_death(losses: Losses, suspect_count: int) -> tuple[Losses, Verdict]:
    """Returns the losses after the death of the child process that ran a quarantined chunk, and what to do.

    Where there is one suspect, what is returned are the losses of that item alone.

    Args:
        losses: Those before.
        suspect_count: Items that may have killed it.
    """
    in_quarantine = losses.quarantine_loss_count + LOSSES_PER_DEATH
    return _judge(Losses(losses.loss_count + 1, True, in_quarantine), suspect_count)


def _judge(losses: Losses, suspect_count: int) -> tuple[Losses, Verdict]:
    if suspect_count > 1:
        return losses._replace(quarantine_loss_count=0), Verdict.HALVE
    has_failed = losses.quarantine_loss_count >= DEATHS_ALONE_TO_FAIL * LOSSES_PER_DEATH
    return losses, Verdict.FAIL if has_failed else Verdict.AGAIN


def cut_around(unfinished: Sequence[int], suspects: Sequence[int]) -> list[int]:
    """Returns where a chunk is cut, so that half of the suspects are in a part of their own.

    What comes after the last suspect was not started, and becomes a part too. Every part has unfinished
    items.

    Args:
        unfinished: Indexes of the chunk's items without a result, rising.
        suspects: Those of them that may have killed a process, rising; one or more.
    """
    second_half = suspects[(len(suspects) + 1) // 2 :] or suspects
    behind = [index for index in unfinished if index > suspects[-1]]
    return [index for index in (second_half[0], *behind[:1]) if index > unfinished[0]]
