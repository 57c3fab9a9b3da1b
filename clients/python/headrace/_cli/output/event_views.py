"""The columns of changes of jobs, and of events in the history of a job."""

from collections.abc import Callable

from headrace._cli.output.views import JOB_ID, JOBS, Column, View
from headrace._cli.text import instant, printable
from headrace.resources import Job, JobHistoryEvent, WatchedJob


def _note(change: WatchedJob) -> str:
    if change.deleted:
        return "deleted"
    return "no longer selected" if change.left else ""


def _of_job(column: Column[Job]) -> Column[WatchedJob]:
    """Returns a column of jobs for changes. Of a deleted job only the id is known."""

    def text(change: WatchedJob) -> str:
        return column.text(change.job) if column is JOB_ID or not change.deleted else ""

    style: Callable[[WatchedJob], str] | None = None
    if (style_of_job := column.style) is not None:

        def style(change: WatchedJob) -> str:
            return style_of_job(change.job)

    return Column(
        column.title,
        text,
        is_right=column.is_right,
        is_wide=column.is_wide,
        is_flexible=column.is_flexible,
        style=style,
    )


WATCHED_JOBS: View[WatchedJob] = View(
    WatchedJob,
    lambda change: change.job.job_id,
    (*map(_of_job, JOBS.columns), Column("CHANGE", _note)),
    "no jobs",
)


def _merged(event: JobHistoryEvent) -> str:
    return f"{event.count:,} until {instant(event.last_event_time)}" if event.count > 1 else "1"


HISTORY: View[JobHistoryEvent] = View(
    JobHistoryEvent,
    lambda event: str(event.number),
    (
        Column("NUMBER", lambda event: str(event.number), is_right=True, is_wide=True),
        Column("TIME", lambda event: instant(event.event_time)),
        Column("EVENT", lambda event: str(event.change)),
        Column("COUNT", _merged, is_wide=True),
        Column("BY", lambda event: printable(event.actor) or "-"),
        Column("MESSAGE", lambda event: printable(event.message), is_flexible=True),
    ),
    "no events",
)
