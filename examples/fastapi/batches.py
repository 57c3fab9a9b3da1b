"""The application's own rows: names of batches, their ends, and the place in the stream of changes."""

import sqlite3

from headrace import Job

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    job_id TEXT PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY CHECK (id = 1), resume_token TEXT NOT NULL);
"""


class Batches:
    """A small SQLite database. Each call takes well under a millisecond, so none needs a thread."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def add(self, job: Job, name: str) -> None:
        """Adds a batch. Its end may be known already: it keeps that state."""
        row = (job.job_id, name, job.progress.total_count, job.state)
        with self._connection:
            self._connection.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?) "
                "ON CONFLICT (job_id) DO UPDATE SET name = excluded.name",
                row,
            )

    def newest(self) -> list[dict[str, object]]:
        rows = self._connection.execute(
            "SELECT job_id, name, count, state FROM batches ORDER BY job_id DESC LIMIT 20"
        )
        return [dict(zip(("job_id", "name", "count", "state"), row, strict=True)) for row in rows]

    def resume_token(self) -> str:
        """Returns the token to continue from. Empty before the first change."""
        row = self._connection.execute("SELECT resume_token FROM place").fetchone()
        return row[0] if row else ""

    def advance(self, resume_token: str, ended: Job | None) -> None:
        """Stores an end, if there is one, and the place after it in one transaction: so none is missed."""
        with self._connection:
            if ended is not None:
                row = (ended.job_id, "", ended.progress.total_count, ended.state)
                self._connection.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (job_id) DO UPDATE SET state = excluded.state",
                    row,
                )
            self._connection.execute(
                "INSERT INTO place VALUES (1, ?) "
                "ON CONFLICT (id) DO UPDATE SET resume_token = excluded.resume_token",
                (resume_token,),
            )
