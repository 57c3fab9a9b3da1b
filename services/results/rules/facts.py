"""Facts of a job and of a chunk: the rows that transitions change."""

from dataclasses import dataclass


@dataclass
class JobFacts:
    """A job. Its fields are the columns of job_progress and those of jobs that rules read.

    Instants and durations are in microseconds.

    Attributes:
        carried_count: Failed items that the current round did not run, because its retry did not select them.
            Part of failed_count.
        answered_models: Names, one on each line.
        next_round: Round that a retry prepares: nothing is leased, and the counts are those of the round
            before. 0 if none.
        has_keys: Whether at least one of its items has a key.
        labels: Canonical JSON. Empty if the job has none.
        revision: Number of updates of its row of jobs.
        change_seq: The seq of its last change: see ``has_change``.
        trial_end: Number of items of the trial. None if it has none, or once it is over.
        held_chunk_count: Unfinished chunks behind the trial.
        trial_pause_time: Time at which it was paused for its trial. None if it is not.
        trial_forecast: Text in the form of ``rows.trial_costs``.
        deadline_base: Time from which job_timeout counts. None: from create_time or schedule_time.
        failures_round: Round that was paused for failures; 0 if none was.
        retention: Time that it is kept after its end. None: the time of the service.
        delete_wanted: Whether the transition that ends it deletes it too.
        event_count: Number of the last event in its history.
    """

    job_id: str
    tenant: str
    kind: str
    job_class: int
    max_failed_ratio: float
    max_parallelism: int
    create_time: int
    schedule_time: int | None
    total_count: int
    chunk_size: int
    state: int = 0
    seq: int = 1
    round: int = 1
    succeeded_count: int = 0
    failed_count: int = 0
    call_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0
    upload_open: bool = False
    upload_expire_time: int | None = None
    pause_reason: int = 0
    waiting_parent_count: int = 0
    stopping_to: int = 0
    error_reason: str = ""
    error_message: str = ""
    error_detail: str = ""
    not_before: int = 0
    wake_time: int | None = None
    leasable: bool = False
    chunk_count: int = 0
    open_chunk_count: int = 0
    leased_chunk_count: int = 0
    quarantined_chunk_count: int = 0
    has_deferrals: bool = False
    virtual_time: int = 0
    start_time: int | None = None
    finish_time: int | None = None
    trace_id: str = ""
    expire_time: int | None = None
    job_timeout: int | None = None
    worker_options: str = ""
    budget_micros: int | None = None
    reserved_micros: int = 0
    carried_count: int = 0
    answered_models: str = ""
    next_round: int = 0
    has_keys: bool = False
    name: str = ""
    labels: str = ""
    revision: int = 0
    change_seq: int = 1
    trial_end: int | None = None
    held_chunk_count: int = 0
    trial_pause_time: int | None = None
    trial_forecast: str = ""
    deadline_base: int | None = None
    failures_round: int = 0
    retention: int | None = None
    delete_wanted: bool = False
    event_count: int = 0

    def set_error(self, reason: str, message: str, detail: str = "") -> None:
        """Replaces the error."""
        self.error_reason, self.error_message, self.error_detail = reason, message, detail

    @property
    def free_chunk_count(self) -> int:
        """Chunks that have unfinished items, are not leased, and do not wait for the end of the trial."""
        return self.open_chunk_count - self.leased_chunk_count - self.held_chunk_count

    @property
    def leasable_chunk_count(self) -> int:
        """Free chunks that max_parallelism allows to lease now. None while a retry is prepared."""
        if self.next_round:
            return 0
        if not self.max_parallelism:
            return self.free_chunk_count
        return min(self.free_chunk_count, max(0, self.max_parallelism - self.leased_chunk_count))


@dataclass
class ChunkFacts:
    """A chunk. Its fields are the columns of chunks.

    Attributes:
        allowance_micros: Of a leased chunk, the rest of its allowance. Of a free chunk, the amount that its
            last worker wanted for the next call, if the lease was released for lack of budget; otherwise 0.
    """

    job_id: str
    chunk_index: int
    first_index: int
    item_count: int
    block_first_index: int
    input_bytes: int
    unfinished_count: int
    fence: int = 0
    lease_incarnation: str | None = None
    lease_call_id: str | None = None
    lease_time: int | None = None
    due_time: int = 0
    loss_count: int = 0
    quarantined: bool = False
    quarantine_loss_count: int = 0
    allowance_micros: int = 0

    @property
    def is_free_in_quarantine(self) -> bool:
        """Whether it is quarantined, has unfinished items and is not leased."""
        return self.quarantined and self.unfinished_count > 0 and self.lease_incarnation is None

    @property
    def end_index(self) -> int:
        """Index after its last item."""
        return self.first_index + self.item_count

    def is_leased_to(self, incarnation: str, fence: int) -> bool:
        """Returns whether it is leased to an incarnation under a fence."""
        return self.lease_incarnation == incarnation and self.fence == fence
