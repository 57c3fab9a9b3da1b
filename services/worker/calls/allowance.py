"""What the calls of a leased chunk may still cost, shared by those under way at the same time."""


class Allowance:
    """The part of a job's budget that the store reserved for a lease.

    A call takes its highest price before it begins and gives back what it did not cost. So however many are
    under way, together they cost no more than the allowance, as far as their highest prices hold.

    Args:
        micros: Of the lease, in millionths of a US dollar.
        is_remainder: It is all that the budget has left, and nothing else of the job is leased. Then a call may
            begin by its likely price, while no other is under way: so no budget is too small to be used,
            and one call at most goes beyond it.

    Attributes:
        left_micros: Not taken.
        is_remainder: As above.
    """

    def __init__(self, micros: int, *, is_remainder: bool = False) -> None:
        self.left_micros = micros
        self.is_remainder = is_remainder
        self._in_flight_count = 0

    def take(self, highest: int, likely: int) -> int | None:
        """Returns what was taken for a call that begins now, None where nothing was: it may not begin.

        Args:
            highest: What it costs at most.
            likely: What it costs by what is known of others.
        """
        taken = highest
        if highest > max(0, self.left_micros):
            if not self.is_remainder or self._in_flight_count or likely > self.left_micros:
                return None
            taken = self.left_micros
        self._in_flight_count += 1
        self.left_micros -= taken
        return taken

    def lend(self) -> int:
        """Returns all that is left, taken for calls that somebody else counts."""
        return self.take(max(0, self.left_micros), 0) or 0

    def settle(self, taken: int, cost: int) -> None:
        """Puts in the place of what was taken what the call did cost."""
        self._in_flight_count -= 1
        self.left_micros += taken - cost
