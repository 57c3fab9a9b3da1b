"""The time that transitions go by."""

import time


class Clock:
    """The database's clock, as a number of microseconds since 1970.

    On PostgreSQL it is the server's clock; SQLite runs in this process and so does its clock.

    Attributes:
        offset: Microseconds added to it. Always 0, but for tests, which move time with it.
    """

    def __init__(self) -> None:
        self.offset = 0

    def local_now(self) -> int:
        """Returns the time of this process, in microseconds; only SQLite goes by it."""
        return time.time_ns() // 1000 + self.offset
