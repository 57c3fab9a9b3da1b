"""The clock of the transactions."""

import time


class Clock:
    """The clock of the database, in microseconds since 1970.

    On PostgreSQL it is the clock of the server. SQLite runs in this process and uses the clock of it.

    Attributes:
        offset: Microseconds added to the clock. Always 0 in production; tests move time with it.
    """

    def __init__(self) -> None:
        self.offset = 0

    def local_now(self) -> int:
        """Returns the time of this process, in microseconds. Only SQLite uses it."""
        return time.time_ns() // 1000 + self.offset
