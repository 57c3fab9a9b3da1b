"""The columns and the names of what commands list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace._cli.dollars import dollars
from headrace._cli.durations import duration
from headrace._cli.text import instant, printable
from headrace.resources import FailureGroup, Job, JobState, KindInfo, WorkerInfo

T = TypeVar("T")

STATE_STYLES = {
    JobState.RUNNING: "cyan",
    JobState.UPLOADING: "cyan",
    JobState.PAUSED: "yellow",
    JobState.CANCELLING: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.EXPIRED: "red",
}


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table.

    Attributes:
        title: Title in capitals.
        text: Returns the cell of an object, without control characters. A line feed starts a new line in it.
        is_right: Whether cells are aligned to the right.
        is_wide: Whether only the format ``wide`` shows it.
        is_flexible: Whether cells are wrapped where a terminal is too narrow.
        style: Returns the style of a cell, such as a colour. None: none.
    """

    title: str
    text: Callable[[T], str]
    is_right: bool = False
    is_wide: bool = False
    is_flexible: bool = False
    style: Callable[[T], str] | None = None


@dataclass(frozen=True)
class View(Generic[T]):
    """The columns of a resource, and the name of one of them.

    Attributes:
        resource: Class of the objects, a dataclass.
        name: Returns the name for other commands.
        columns: Columns in order.
        none: Words for a table without rows.
    """

    resource: type[T]
    name: Callable[[T], str]
    columns: tuple[Column[T], ...]
    none: str = "nothing found"


def _done(job: Job) -> str:
    return f"{job.progress.done_count}/{job.progress.total_count}"


def _cost(job: Job) -> str:
    return f"${dollars(job.usage.cost_micros)}" if job.usage.cost_micros else "-"


def _why(job: Job) -> str:
    reason = "" if job.pause_reason == "UNSPECIFIED" else str(job.pause_reason)
    return printable(job.error.reason) if job.error else reason or "-"


def _labels(job: Job) -> str:
    return printable(",".join(f"{key}={value}" for key, value in sorted(job.labels.items()))) or "-"


def state_style(job: Job) -> str:
    """Returns the style of a job's state."""
    return STATE_STYLES.get(job.state, "")


JOB_ID: Column[Job] = Column("JOB_ID", lambda job: job.job_id)
KIND: Column[Job] = Column("KIND", lambda job: printable(job.kind))
STATE: Column[Job] = Column("STATE", lambda job: str(job.state), style=state_style)
DONE: Column[Job] = Column("DONE", _done, is_right=True)
FAILED: Column[Job] = Column("FAILED", lambda job: str(job.progress.failed_count), is_right=True)
COST: Column[Job] = Column("COST", _cost, is_right=True)

JOBS: View[Job] = View(
    Job,
    lambda job: job.job_id,
    (
        JOB_ID,
        KIND,
        STATE,
        DONE,
        FAILED,
        Column("CREATED", lambda job: instant(job.create_time)),
        Column("FINISHED", lambda job: instant(job.finish_time), is_wide=True),
        Column("NAME", lambda job: printable(job.name) or "-", is_wide=True),
        Column("LABELS", _labels, is_wide=True),
        Column("CLASS", lambda job: str(job.job_class), is_wide=True),
        Column(
            "TOKENS",
            lambda job: f"{job.usage.input_tokens + job.usage.output_tokens:,}",
            is_right=True,
            is_wide=True,
        ),
        Column("COST", _cost, is_right=True, is_wide=True),
        Column("REASON", _why, is_wide=True),
    ),
    "no jobs",
)


def _in_flight(worker: WorkerInfo) -> str:
    return f"{worker.in_flight_count}/{worker.in_flight_limit}"


def _cooling(worker: WorkerInfo) -> str:
    return duration(worker.cooldown_seconds) if worker.cooldown_seconds else "-"


WORKERS: View[WorkerInfo] = View(
    WorkerInfo,
    lambda worker: worker.incarnation,
    (
        Column("ADDRESS", lambda worker: printable(worker.address)),
        Column(
            "LIVE", lambda worker: "yes" if worker.live else "no", style=lambda w: "" if w.live else "red"
        ),
        Column("IN FLIGHT", _in_flight, is_right=True),
        Column("LEASED", lambda worker: str(worker.leased_item_count), is_right=True),
        Column("ITEMS/S", lambda worker: f"{worker.items_per_second:.1f}", is_right=True),
        Column("TOKENS/S", lambda worker: f"{worker.tokens_per_second:.0f}", is_right=True),
        Column("LIMITED", lambda worker: str(worker.limited_count), is_right=True),
        Column("COOLING", _cooling, is_right=True),
        Column("HEARTBEAT", lambda worker: instant(worker.heartbeat_time)),
        Column("INCARNATION", lambda worker: printable(worker.incarnation)),
        Column("LIMITS", lambda worker: "degraded" if worker.limits_degraded else ""),
        Column("STARTED", lambda worker: instant(worker.start_time), is_wide=True),
    ),
    "no workers",
)


def _params(kind: KindInfo) -> str:
    schema = kind.params_schema if isinstance(kind.params_schema, dict) else {}
    required = schema.get("required") or ()
    others = [name for name in schema.get("properties") or () if name not in required]
    return printable(", ".join([*(f"{name}*" for name in required), *others])) or "-"


KINDS: View[KindInfo] = View(
    KindInfo,
    lambda kind: kind.name,
    (
        Column("KIND", lambda kind: printable(kind.name)),
        Column("PARAMS", _params, is_wide=True, is_flexible=True),
        Column("DESCRIPTION", lambda kind: printable(kind.description), is_flexible=True),
    ),
    "no kinds",
)


def _message(group: FailureGroup) -> str:
    detail = f"\n{printable(group.first_detail)}" if group.first_detail else ""
    return f"{printable(group.first_message)}{detail}"


FAILURES: View[FailureGroup] = View(
    FailureGroup,
    lambda group: group.reason,
    (
        Column("ITEMS", lambda group: str(group.item_count), is_right=True),
        Column("REASON", lambda group: printable(group.reason)),
        Column("FIRST ITEM", lambda group: str(group.first_item_index), is_right=True),
        Column("MESSAGE", _message, is_flexible=True),
    ),
    "no failed items",
)
