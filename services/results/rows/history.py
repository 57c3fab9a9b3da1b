"""Events that a transition adds to the histories of its jobs, and their numbers."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2
from services.results.database.transaction import Transaction
from services.results.rows import event_rows
from services.results.rows.event_rows import Event
from services.results.rules.facts import JobFacts
from services.results.rules.history import (
    MAX_ACTOR_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    end_message,
    is_paused_by,
    is_resumed_by,
    needs_merge,
    one_line,
    pause_actor,
    pause_message,
)


class _NewEvent(NamedTuple):
    change: int
    actor: str
    message: str
    report_id: str


class History:
    """Events of one transition. ``write`` stores them, with the changes of the jobs.

    The creation, the start and the end of a job have no events: readers see them in its snapshot. An end that
    a retry wipes, or that another event follows, gets one.

    Attributes:
        actor: Who asked for the transition, for people. Empty if it is not known.
    """

    def __init__(self, tx: Transaction) -> None:
        self.actor = ""
        self._tx = tx
        self._new: defaultdict[str, list[_NewEvent]] = defaultdict(list)

    def add(
        self,
        job: JobFacts,
        change: jobs_pb2.JobChange,
        message: str = "",
        *,
        actor: str | None = None,
        report_id: str = "",
    ) -> None:
        """Adds an event to the history of a locked job.

        Pauses and resumptions are added automatically, from the change of ``pause_reason``.

        Args:
            job: The job.
            change: Type of the event.
            message: Details for people, without secrets and text of items. Cut to 500 characters in one line.
            actor: Who made the change, cut to 200 characters. Default: the actor of the transition.
            report_id: Id by which a change that several workers report is stored once. Default: none.
        """
        by = self.actor if actor is None else actor
        self._new[job.job_id].append(
            _NewEvent(
                change=change,
                actor=one_line(by, MAX_ACTOR_CHARACTERS),
                message=one_line(message, MAX_MESSAGE_CHARACTERS),
                report_id=report_id,
            )
        )

    async def add_reports(
        self,
        change: jobs_pb2.JobChange,
        jobs: Mapping[str, JobFacts],
        reports: Mapping[tuple[str, str], str],
    ) -> None:
        """Adds events that several workers report, except those that their job has already.

        Args:
            change: Type of the events.
            jobs: The locked jobs, by id.
            reports: Message of each, by job id and report id.
        """
        stored = await event_rows.read_reports(self._tx, reports)
        for (job_id, report_id), message in reports.items():
            if (job_id, report_id) not in stored:
                self.add(jobs[job_id], change, message, report_id=report_id)

    def note_pause(self, before: JobFacts, job: JobFacts) -> None:
        """Adds the event if the transition paused or resumed a job."""
        if is_paused_by(before, job):
            message, actor = pause_message(job), pause_actor(job, self.actor)
            self.add(job, jobs_pb2.JOB_CHANGE_PAUSED, message, actor=actor)
        elif is_resumed_by(before, job):
            self.add(job, jobs_pb2.JOB_CHANGE_RESUMED)

    async def write(self, jobs: Mapping[str, JobFacts], jobs_before: Mapping[str, JobFacts]) -> None:
        """Numbers the events, counts them in their jobs, and queues their insertion."""
        events: list[Event] = []
        for job_id, new in self._new.items():
            if new:
                events += await self._number(jobs[job_id], jobs_before[job_id], new)
        event_rows.insert_events(self._tx, events)

    async def _number(self, job: JobFacts, before: JobFacts, new: list[_NewEvent]) -> list[Event]:
        now = self._tx.now
        numbered = [(now, event) for event in new]
        if before.finish_time is not None and not await self._has_end(before, before.finish_time):
            end = _NewEvent(jobs_pb2.JOB_CHANGE_ENDED, "", end_message(before), "")
            end = end._replace(message=one_line(end.message, MAX_MESSAGE_CHARACTERS))
            numbered.insert(0, (before.finish_time, end))
        last_number = job.event_count
        job.event_count += len(numbered)
        if needs_merge(last_number, job.event_count):
            await event_rows.merge_oldest(self._tx, job.job_id, last_number)
        return [
            Event(
                job_id=job.job_id,
                number=number,
                event_time=time,
                last_time=time,
                change_count=1,
                change_type=event.change,
                actor=event.actor,
                message=event.message,
                report_id=event.report_id,
            )
            for number, (time, event) in enumerate(numbered, start=last_number + 1)
        ]

    async def _has_end(self, before: JobFacts, finish_time: int) -> bool:
        change = jobs_pb2.JOB_CHANGE_ENDED
        return before.event_count > 0 and await event_rows.has_end(
            self._tx, before.job_id, change, finish_time
        )
