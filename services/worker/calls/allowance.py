"""Part of a job's budget that the calls of a leased chunk share."""


class Allowance:
    """The part of a job's budget that the store reserved for a lease.

    A call takes its highest possible price before it begins, and gives back what it did not cost. So all
    calls in flight together cost no more than the allowance, provided that their highest prices hold.

    Args:
        micros: Amount reserved for the lease, in millionths of a US dollar.
        is_remainder: Whether this is all that remains of the budget, and nothing else of the job is leased.
            Then a call may begin if its likely price fits, while no other is in flight. So every budget can
            be used up, however small, and at most one call exceeds it.

    Attributes:
        left_micros: Amount not taken.
        is_remainder: See above.
    """

    def __init__(self, micros: int, *, is_remainder: bool = False) -> None:
        self.left_micros = micros
        self.is_remainder = is_remainder
        self._in_flight_count = 0

    def take(self, highest: int, likely: int) -> int | None:
        """Takes the price of a call that is about to begin.

        Args:
            highest: Highest possible price.
            likely: Likely price, judging by other calls.

        Returns:
            The amount taken. None if the call must not begin.
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
        """Takes all that remains, for calls that are counted elsewhere. Returns the amount."""
        return self.take(max(0, self.left_micros), 0) or 0

    def settle(self, taken: int, cost: int) -> None:
        """Replaces the amount taken for a call with its actual cost."""
        self._in_flight_count -= 1
        self.left_micros += taken - cost
