"""Numbers of running jobs that are worth seeing live and not worth storing."""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from headrace.jobs.v1 import jobs_pb2
from headrace.worker.v1 import worker_pb2
from services.worker.item_runner import ItemOutcome


@dataclass
class _Numbers:
    in_flight_count: int = 0
    finished_count: int = 0
    token_count: int = 0


class LiveNumbers:
    """Counts tries of each job between two readings."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Numbers] = {}

    def started(self, job_id: str) -> None:
        """A try of the job began."""
        self._jobs.setdefault(job_id, _Numbers()).in_flight_count += 1

    def ended(self, job_id: str, outcome: ItemOutcome | None, before: jobs_pb2.Usage) -> None:
        """A try of the job ended.

        Args:
            job_id: The job.
            outcome: None where it was broken off.
            before: What the item had used before this try.
        """
        numbers = self._jobs.setdefault(job_id, _Numbers(in_flight_count=1))
        numbers.in_flight_count -= 1
        if outcome is None:
            return
        numbers.finished_count += outcome.retry_delay is None
        numbers.token_count += outcome.usage.input_tokens - before.input_tokens
        numbers.token_count += outcome.usage.output_tokens - before.output_tokens

    def read(
        self, incarnation: str, seconds: float, also: Iterable[str] = ()
    ) -> list[worker_pb2.JobLiveEvent]:
        """Returns an event for each job with tries since the last reading, and starts counting anew.

        Args:
            incarnation: Of this worker.
            seconds: Time since the last reading.
            also: Jobs that get an event without tries.
        """
        for job_id in also:
            self._jobs.setdefault(job_id, _Numbers())
        now = Timestamp()
        now.GetCurrentTime()
        events = [
            worker_pb2.JobLiveEvent(
                job_id=job_id,
                live_event=jobs_pb2.LiveEvent(
                    event_time=now,
                    incarnation=incarnation,
                    in_flight_count=numbers.in_flight_count,
                    items_per_second=numbers.finished_count / seconds,
                    tokens_per_second=numbers.token_count / seconds,
                ),
            )
            for job_id, numbers in self._jobs.items()
        ]
        self._jobs = {
            job_id: _Numbers(numbers.in_flight_count)
            for job_id, numbers in self._jobs.items()
            if numbers.in_flight_count
        }
        return events
