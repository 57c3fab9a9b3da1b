"""The outcome of a phase of a storm: a row of the table."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One phase.

    Attributes:
        name: Faults of the phase.
        job_count: Number of accepted jobs.
        item_count: Number of their items.
        failed_count: Number of failed items.
        call_count: Number of calls to the provider.
        failure_count: Number of calls that the provider failed.
        repeated_count: Number of calls that were repeated without such a failure.
        allowed_count: Maximum of repeated calls that the faults excuse.
        takeover_seconds: Seconds from each death until another worker ran an item of the dead one.
        stall_seconds: Longest time without a new call under load, in seconds.
        worker_stall_seconds: Longest time without a new call of one worker, in seconds.
        seconds: Duration of the phase, in seconds.
        remarks: Remarks that break no guarantee, in words.
        broken: Broken guarantees, each in words.
    """

    name: str
    job_count: int = 0
    item_count: int = 0
    failed_count: int = 0
    call_count: int = 0
    failure_count: int = 0
    repeated_count: int = 0
    allowed_count: int = 0
    takeover_seconds: list[float] = field(default_factory=list)
    stall_seconds: float = 0.0
    worker_stall_seconds: float = 0.0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
