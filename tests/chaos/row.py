"""What a phase of a storm came to: a row of the table."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One phase.

    Attributes:
        name: Its faults.
        job_count: Jobs that were accepted.
        item_count: Their items.
        failed_count: Of these, those that failed.
        call_count: Calls to the provider.
        failure_count: Calls that the provider failed.
        repeated_count: Calls made again that it had not failed.
        allowed_count: How many of those the faults allow.
        takeover_seconds: Of each death, until others worked on what that worker held.
        stall_seconds: The longest time without a new call while there was load.
        worker_stall_seconds: The longest time in which one worker made none.
        seconds: Of the phase.
        remarks: What is worth knowing and breaks nothing, in words.
        broken: Promises that were broken, each in words.
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
