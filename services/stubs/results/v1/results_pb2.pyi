import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headrace.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Effects(_message.Message):
    __slots__ = ("tasks_to_publish", "changed_jobs", "workers_to_notify")
    TASKS_TO_PUBLISH_FIELD_NUMBER: _ClassVar[int]
    CHANGED_JOBS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_TO_NOTIFY_FIELD_NUMBER: _ClassVar[int]
    tasks_to_publish: _containers.RepeatedCompositeFieldContainer[TaskToPublish]
    changed_jobs: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Job]
    workers_to_notify: _containers.RepeatedCompositeFieldContainer[WorkerToNotify]
    def __init__(self, tasks_to_publish: _Optional[_Iterable[_Union[TaskToPublish, _Mapping]]] = ..., changed_jobs: _Optional[_Iterable[_Union[_jobs_pb2.Job, _Mapping]]] = ..., workers_to_notify: _Optional[_Iterable[_Union[WorkerToNotify, _Mapping]]] = ...) -> None: ...

class TaskToPublish(_message.Message):
    __slots__ = ("job_id", "job_class", "count")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    job_class: _jobs_pb2.JobClass
    count: int
    def __init__(self, job_id: _Optional[str] = ..., job_class: _Optional[_Union[_jobs_pb2.JobClass, str]] = ..., count: _Optional[int] = ...) -> None: ...

class WorkerToNotify(_message.Message):
    __slots__ = ("incarnation", "address", "job_id", "pause")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    address: str
    job_id: str
    pause: bool
    def __init__(self, incarnation: _Optional[str] = ..., address: _Optional[str] = ..., job_id: _Optional[str] = ..., pause: _Optional[bool] = ...) -> None: ...

class CreateJobsRequest(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[NewJob]
    def __init__(self, jobs: _Optional[_Iterable[_Union[NewJob, _Mapping]]] = ...) -> None: ...

class NewJob(_message.Message):
    __slots__ = ("job_id", "tenant", "request_id", "content_hash", "kind", "params", "items", "upload_open", "trace_id", "options", "item_keys", "name", "labels", "model")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_OPEN_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEYS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    request_id: str
    content_hash: bytes
    kind: str
    params: str
    items: _containers.RepeatedScalarFieldContainer[str]
    upload_open: bool
    trace_id: str
    options: _jobs_pb2.JobOptions
    item_keys: _containers.RepeatedScalarFieldContainer[str]
    name: str
    labels: _containers.ScalarMap[str, str]
    model: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., request_id: _Optional[str] = ..., content_hash: _Optional[bytes] = ..., kind: _Optional[str] = ..., params: _Optional[str] = ..., items: _Optional[_Iterable[str]] = ..., upload_open: _Optional[bool] = ..., trace_id: _Optional[str] = ..., options: _Optional[_Union[_jobs_pb2.JobOptions, _Mapping]] = ..., item_keys: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., model: _Optional[str] = ...) -> None: ...

class CreateJobsResponse(_message.Message):
    __slots__ = ("outcomes", "effects")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[CreateJobOutcome]
    effects: Effects
    def __init__(self, outcomes: _Optional[_Iterable[_Union[CreateJobOutcome, _Mapping]]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class CreateJobOutcome(_message.Message):
    __slots__ = ("job", "error")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    error: _jobs_pb2.Error
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ...) -> None: ...

class AppendItemsRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "first_item_index", "items", "finish_total_count", "item_keys")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FIRST_ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    FINISH_TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEYS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    first_item_index: int
    items: _containers.RepeatedScalarFieldContainer[str]
    finish_total_count: int
    item_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., first_item_index: _Optional[int] = ..., items: _Optional[_Iterable[str]] = ..., finish_total_count: _Optional[int] = ..., item_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class AppendItemsResponse(_message.Message):
    __slots__ = ("stored_count", "job", "effects")
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    stored_count: int
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, stored_count: _Optional[int] = ..., job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class GetJobsRequest(_message.Message):
    __slots__ = ("jobs", "tenant")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[KnownJob]
    tenant: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[KnownJob, _Mapping]]] = ..., tenant: _Optional[str] = ...) -> None: ...

class KnownJob(_message.Message):
    __slots__ = ("job_id", "known_seq")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SEQ_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    known_seq: int
    def __init__(self, job_id: _Optional[str] = ..., known_seq: _Optional[int] = ...) -> None: ...

class GetJobsResponse(_message.Message):
    __slots__ = ("jobs", "left_out_job_ids")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Job]
    left_out_job_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, jobs: _Optional[_Iterable[_Union[_jobs_pb2.Job, _Mapping]]] = ..., left_out_job_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("tenant", "page_size", "before_job_id", "states", "kind", "labels", "name", "created_after", "created_before", "finished_after")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AFTER_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    page_size: int
    before_job_id: str
    states: _containers.RepeatedScalarFieldContainer[_jobs_pb2.JobState]
    kind: str
    labels: _containers.ScalarMap[str, str]
    name: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    finished_after: _timestamp_pb2.Timestamp
    def __init__(self, tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., before_job_id: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_jobs_pb2.JobState, str]]] = ..., kind: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., name: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "has_more", "next_before_job_id")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    NEXT_BEFORE_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Job]
    has_more: bool
    next_before_job_id: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_jobs_pb2.Job, _Mapping]]] = ..., has_more: _Optional[bool] = ..., next_before_job_id: _Optional[str] = ...) -> None: ...

class ListChangesRequest(_message.Message):
    __slots__ = ("tenant", "page_size", "after")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    page_size: int
    after: ChangePosition
    def __init__(self, tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., after: _Optional[_Union[ChangePosition, _Mapping]] = ...) -> None: ...

class ChangePosition(_message.Message):
    __slots__ = ("store_id", "change_xid", "job_id")
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_XID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    store_id: str
    change_xid: int
    job_id: str
    def __init__(self, store_id: _Optional[str] = ..., change_xid: _Optional[int] = ..., job_id: _Optional[str] = ...) -> None: ...

class ListChangesResponse(_message.Message):
    __slots__ = ("jobs", "next", "has_more", "reset")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[ChangedJob]
    next: ChangePosition
    has_more: bool
    reset: bool
    def __init__(self, jobs: _Optional[_Iterable[_Union[ChangedJob, _Mapping]]] = ..., next: _Optional[_Union[ChangePosition, _Mapping]] = ..., has_more: _Optional[bool] = ..., reset: _Optional[bool] = ...) -> None: ...

class ChangedJob(_message.Message):
    __slots__ = ("job", "gone", "was_retried", "was_updated")
    JOB_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    WAS_RETRIED_FIELD_NUMBER: _ClassVar[int]
    WAS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    gone: bool
    was_retried: bool
    was_updated: bool
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., gone: _Optional[bool] = ..., was_retried: _Optional[bool] = ..., was_updated: _Optional[bool] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "page_size", "after_item_index", "item_state", "include_inputs")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_STATE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INPUTS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    page_size: int
    after_item_index: int
    item_state: _jobs_pb2.ItemState
    include_inputs: bool
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., after_item_index: _Optional[int] = ..., item_state: _Optional[_Union[_jobs_pb2.ItemState, str]] = ..., include_inputs: _Optional[bool] = ...) -> None: ...

class ListResultsResponse(_message.Message):
    __slots__ = ("results", "has_more")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Result]
    has_more: bool
    def __init__(self, results: _Optional[_Iterable[_Union[_jobs_pb2.Result, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class ListRecordedResultsRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "page_size", "after", "item_state", "include_inputs")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ITEM_STATE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INPUTS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    page_size: int
    after: RecordPosition
    item_state: _jobs_pb2.ItemState
    include_inputs: bool
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., after: _Optional[_Union[RecordPosition, _Mapping]] = ..., item_state: _Optional[_Union[_jobs_pb2.ItemState, str]] = ..., include_inputs: _Optional[bool] = ...) -> None: ...

class RecordPosition(_message.Message):
    __slots__ = ("seq", "item_index")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    seq: int
    item_index: int
    def __init__(self, seq: _Optional[int] = ..., item_index: _Optional[int] = ...) -> None: ...

class ListRecordedResultsResponse(_message.Message):
    __slots__ = ("results", "next", "has_more", "job")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Result]
    next: RecordPosition
    has_more: bool
    job: _jobs_pb2.Job
    def __init__(self, results: _Optional[_Iterable[_Union[_jobs_pb2.Result, _Mapping]]] = ..., next: _Optional[_Union[RecordPosition, _Mapping]] = ..., has_more: _Optional[bool] = ..., job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class GetItemsRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "page_size", "after_item_index", "item_indexes", "item_keys")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_INDEXES_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEYS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    page_size: int
    after_item_index: int
    item_indexes: _containers.RepeatedScalarFieldContainer[int]
    item_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., after_item_index: _Optional[int] = ..., item_indexes: _Optional[_Iterable[int]] = ..., item_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class GetItemsResponse(_message.Message):
    __slots__ = ("items", "has_more")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Item]
    has_more: bool
    def __init__(self, items: _Optional[_Iterable[_Union[_jobs_pb2.Item, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class LeaseChunksRequest(_message.Message):
    __slots__ = ("job_class", "capacity", "incarnation", "call_id", "known_job_ids", "excluded_job_ids", "excluded_tenants")
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_TENANTS_FIELD_NUMBER: _ClassVar[int]
    job_class: _jobs_pb2.JobClass
    capacity: int
    incarnation: str
    call_id: str
    known_job_ids: _containers.RepeatedScalarFieldContainer[str]
    excluded_job_ids: _containers.RepeatedScalarFieldContainer[str]
    excluded_tenants: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_class: _Optional[_Union[_jobs_pb2.JobClass, str]] = ..., capacity: _Optional[int] = ..., incarnation: _Optional[str] = ..., call_id: _Optional[str] = ..., known_job_ids: _Optional[_Iterable[str]] = ..., excluded_job_ids: _Optional[_Iterable[str]] = ..., excluded_tenants: _Optional[_Iterable[str]] = ...) -> None: ...

class LeaseChunksResponse(_message.Message):
    __slots__ = ("leases", "jobs", "more_work", "effects", "needed_capacity")
    LEASES_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    MORE_WORK_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    NEEDED_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    jobs: _containers.RepeatedCompositeFieldContainer[JobSpec]
    more_work: bool
    effects: Effects
    needed_capacity: int
    def __init__(self, leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[JobSpec, _Mapping]]] = ..., more_work: _Optional[bool] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ..., needed_capacity: _Optional[int] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("job_id", "tenant", "kind", "params", "job_class", "trace_id", "options")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    kind: str
    params: str
    job_class: _jobs_pb2.JobClass
    trace_id: str
    options: _jobs_pb2.JobOptions
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., kind: _Optional[str] = ..., params: _Optional[str] = ..., job_class: _Optional[_Union[_jobs_pb2.JobClass, str]] = ..., trace_id: _Optional[str] = ..., options: _Optional[_Union[_jobs_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class LeaseRef(_message.Message):
    __slots__ = ("job_id", "chunk_index", "fence")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    chunk_index: int
    fence: int
    def __init__(self, job_id: _Optional[str] = ..., chunk_index: _Optional[int] = ..., fence: _Optional[int] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("ref", "round", "items", "quarantined", "allowance_micros", "is_remainder")
    REF_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_MICROS_FIELD_NUMBER: _ClassVar[int]
    IS_REMAINDER_FIELD_NUMBER: _ClassVar[int]
    ref: LeaseRef
    round: int
    items: _containers.RepeatedCompositeFieldContainer[LeasedItem]
    quarantined: bool
    allowance_micros: int
    is_remainder: bool
    def __init__(self, ref: _Optional[_Union[LeaseRef, _Mapping]] = ..., round: _Optional[int] = ..., items: _Optional[_Iterable[_Union[LeasedItem, _Mapping]]] = ..., quarantined: _Optional[bool] = ..., allowance_micros: _Optional[int] = ..., is_remainder: _Optional[bool] = ...) -> None: ...

class LeasedItem(_message.Message):
    __slots__ = ("item_index", "input", "attempt_count", "usage", "failed_attempts", "work_time")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FAILED_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WORK_TIME_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    input: str
    attempt_count: int
    usage: _jobs_pb2.Usage
    failed_attempts: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.FailedAttempt]
    work_time: _duration_pb2.Duration
    def __init__(self, item_index: _Optional[int] = ..., input: _Optional[str] = ..., attempt_count: _Optional[int] = ..., usage: _Optional[_Union[_jobs_pb2.Usage, _Mapping]] = ..., failed_attempts: _Optional[_Iterable[_Union[_jobs_pb2.FailedAttempt, _Mapping]]] = ..., work_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RecordResultsRequest(_message.Message):
    __slots__ = ("incarnation", "jobs")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    jobs: _containers.RepeatedCompositeFieldContainer[JobRecord]
    def __init__(self, incarnation: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[JobRecord, _Mapping]]] = ...) -> None: ...

class JobRecord(_message.Message):
    __slots__ = ("job_id", "items", "deferrals", "releases", "job_error", "deaths", "outage_error", "error_round", "outage_changes")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEFERRALS_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    JOB_ERROR_FIELD_NUMBER: _ClassVar[int]
    DEATHS_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_ROUND_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_CHANGES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    items: _containers.RepeatedCompositeFieldContainer[ItemRecord]
    deferrals: _containers.RepeatedCompositeFieldContainer[ItemDeferral]
    releases: _containers.RepeatedCompositeFieldContainer[ChunkRelease]
    job_error: _jobs_pb2.Error
    deaths: _containers.RepeatedCompositeFieldContainer[ChunkDeath]
    outage_error: _jobs_pb2.Error
    error_round: int
    outage_changes: _containers.RepeatedCompositeFieldContainer[OutageChange]
    def __init__(self, job_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[ItemRecord, _Mapping]]] = ..., deferrals: _Optional[_Iterable[_Union[ItemDeferral, _Mapping]]] = ..., releases: _Optional[_Iterable[_Union[ChunkRelease, _Mapping]]] = ..., job_error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ..., deaths: _Optional[_Iterable[_Union[ChunkDeath, _Mapping]]] = ..., outage_error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ..., error_round: _Optional[int] = ..., outage_changes: _Optional[_Iterable[_Union[OutageChange, _Mapping]]] = ...) -> None: ...

class OutageChange(_message.Message):
    __slots__ = ("outage_id", "ended", "error")
    OUTAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    outage_id: str
    ended: bool
    error: _jobs_pb2.Error
    def __init__(self, outage_id: _Optional[str] = ..., ended: _Optional[bool] = ..., error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ...) -> None: ...

class ItemRecord(_message.Message):
    __slots__ = ("item_index", "chunk_index", "fence", "round", "output", "error", "attempt_count", "usage", "failed_attempts")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FAILED_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    chunk_index: int
    fence: int
    round: int
    output: str
    error: _jobs_pb2.Error
    attempt_count: int
    usage: _jobs_pb2.Usage
    failed_attempts: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.FailedAttempt]
    def __init__(self, item_index: _Optional[int] = ..., chunk_index: _Optional[int] = ..., fence: _Optional[int] = ..., round: _Optional[int] = ..., output: _Optional[str] = ..., error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ..., attempt_count: _Optional[int] = ..., usage: _Optional[_Union[_jobs_pb2.Usage, _Mapping]] = ..., failed_attempts: _Optional[_Iterable[_Union[_jobs_pb2.FailedAttempt, _Mapping]]] = ...) -> None: ...

class ItemDeferral(_message.Message):
    __slots__ = ("item_index", "chunk_index", "fence", "delay_ms", "attempt_count", "usage", "error", "failed_attempts", "work_time")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILED_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WORK_TIME_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    chunk_index: int
    fence: int
    delay_ms: int
    attempt_count: int
    usage: _jobs_pb2.Usage
    error: _jobs_pb2.Error
    failed_attempts: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.FailedAttempt]
    work_time: _duration_pb2.Duration
    def __init__(self, item_index: _Optional[int] = ..., chunk_index: _Optional[int] = ..., fence: _Optional[int] = ..., delay_ms: _Optional[int] = ..., attempt_count: _Optional[int] = ..., usage: _Optional[_Union[_jobs_pb2.Usage, _Mapping]] = ..., error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ..., failed_attempts: _Optional[_Iterable[_Union[_jobs_pb2.FailedAttempt, _Mapping]]] = ..., work_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ChunkDeath(_message.Message):
    __slots__ = ("chunk_index", "fence", "suspect_item_indexes")
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    SUSPECT_ITEM_INDEXES_FIELD_NUMBER: _ClassVar[int]
    chunk_index: int
    fence: int
    suspect_item_indexes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, chunk_index: _Optional[int] = ..., fence: _Optional[int] = ..., suspect_item_indexes: _Optional[_Iterable[int]] = ...) -> None: ...

class ChunkRelease(_message.Message):
    __slots__ = ("chunk_index", "fence", "job_delay_ms", "needed_micros")
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    JOB_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    NEEDED_MICROS_FIELD_NUMBER: _ClassVar[int]
    chunk_index: int
    fence: int
    job_delay_ms: int
    needed_micros: int
    def __init__(self, chunk_index: _Optional[int] = ..., fence: _Optional[int] = ..., job_delay_ms: _Optional[int] = ..., needed_micros: _Optional[int] = ...) -> None: ...

class RecordResultsResponse(_message.Message):
    __slots__ = ("outcomes", "effects")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[JobRecordOutcome]
    effects: Effects
    def __init__(self, outcomes: _Optional[_Iterable[_Union[JobRecordOutcome, _Mapping]]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class JobRecordOutcome(_message.Message):
    __slots__ = ("job_id", "lost", "stop", "pause")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    lost: bool
    stop: bool
    pause: bool
    def __init__(self, job_id: _Optional[str] = ..., lost: _Optional[bool] = ..., stop: _Optional[bool] = ..., pause: _Optional[bool] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("incarnation", "address", "leases", "in_flight_count", "in_flight_limit", "leased_item_count", "limits_degraded", "items_per_second", "tokens_per_second", "limited_count", "cooldown_seconds")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    LEASED_ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_DEGRADED_FIELD_NUMBER: _ClassVar[int]
    ITEMS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    LIMITED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    address: str
    leases: _containers.RepeatedCompositeFieldContainer[LeaseRef]
    in_flight_count: int
    in_flight_limit: int
    leased_item_count: int
    limits_degraded: bool
    items_per_second: float
    tokens_per_second: float
    limited_count: int
    cooldown_seconds: float
    def __init__(self, incarnation: _Optional[str] = ..., address: _Optional[str] = ..., leases: _Optional[_Iterable[_Union[LeaseRef, _Mapping]]] = ..., in_flight_count: _Optional[int] = ..., in_flight_limit: _Optional[int] = ..., leased_item_count: _Optional[int] = ..., limits_degraded: _Optional[bool] = ..., items_per_second: _Optional[float] = ..., tokens_per_second: _Optional[float] = ..., limited_count: _Optional[int] = ..., cooldown_seconds: _Optional[float] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("ended", "lost_leases", "stop_job_ids", "classes_with_work", "live_worker_count", "effects", "pause_job_ids")
    ENDED_FIELD_NUMBER: _ClassVar[int]
    LOST_LEASES_FIELD_NUMBER: _ClassVar[int]
    STOP_JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_WITH_WORK_FIELD_NUMBER: _ClassVar[int]
    LIVE_WORKER_COUNT_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    ended: bool
    lost_leases: _containers.RepeatedCompositeFieldContainer[LeaseRef]
    stop_job_ids: _containers.RepeatedScalarFieldContainer[str]
    classes_with_work: _containers.RepeatedScalarFieldContainer[_jobs_pb2.JobClass]
    live_worker_count: int
    effects: Effects
    pause_job_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ended: _Optional[bool] = ..., lost_leases: _Optional[_Iterable[_Union[LeaseRef, _Mapping]]] = ..., stop_job_ids: _Optional[_Iterable[str]] = ..., classes_with_work: _Optional[_Iterable[_Union[_jobs_pb2.JobClass, str]]] = ..., live_worker_count: _Optional[int] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ..., pause_job_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class EndWorkerRequest(_message.Message):
    __slots__ = ("incarnation", "cause")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[EndWorkerRequest.Cause]
        CAUSE_DRAINED: _ClassVar[EndWorkerRequest.Cause]
        CAUSE_PORT_CLOSED: _ClassVar[EndWorkerRequest.Cause]
    CAUSE_UNSPECIFIED: EndWorkerRequest.Cause
    CAUSE_DRAINED: EndWorkerRequest.Cause
    CAUSE_PORT_CLOSED: EndWorkerRequest.Cause
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    cause: EndWorkerRequest.Cause
    def __init__(self, incarnation: _Optional[str] = ..., cause: _Optional[_Union[EndWorkerRequest.Cause, str]] = ...) -> None: ...

class EndWorkerResponse(_message.Message):
    __slots__ = ("effects",)
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    effects: Effects
    def __init__(self, effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class SweepRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SweepResponse(_message.Message):
    __slots__ = ("effects", "live_workers", "silent_workers")
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    LIVE_WORKERS_FIELD_NUMBER: _ClassVar[int]
    SILENT_WORKERS_FIELD_NUMBER: _ClassVar[int]
    effects: Effects
    live_workers: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Worker]
    silent_workers: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Worker]
    def __init__(self, effects: _Optional[_Union[Effects, _Mapping]] = ..., live_workers: _Optional[_Iterable[_Union[_jobs_pb2.Worker, _Mapping]]] = ..., silent_workers: _Optional[_Iterable[_Union[_jobs_pb2.Worker, _Mapping]]] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "actor")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job", "effects")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class PauseJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "actor")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class PauseJobResponse(_message.Message):
    __slots__ = ("job", "effects")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class ResumeJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "budget_micros", "actor")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MICROS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    budget_micros: int
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., budget_micros: _Optional[int] = ..., actor: _Optional[str] = ...) -> None: ...

class ResumeJobResponse(_message.Message):
    __slots__ = ("job", "effects")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "request_id", "reasons", "item_indexes", "item_keys", "actor")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ITEM_INDEXES_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEYS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    request_id: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    item_indexes: _containers.RepeatedScalarFieldContainer[int]
    item_keys: _containers.RepeatedScalarFieldContainer[str]
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., request_id: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., item_indexes: _Optional[_Iterable[int]] = ..., item_keys: _Optional[_Iterable[str]] = ..., actor: _Optional[str] = ...) -> None: ...

class RetryJobResponse(_message.Message):
    __slots__ = ("job", "effects")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class UpdateJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "fields", "if_change_seq", "name", "labels", "job_class", "max_parallelism", "budget_micros", "job_timeout", "retention", "resume", "actor")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    IF_CHANGE_SEQ_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MICROS_FIELD_NUMBER: _ClassVar[int]
    JOB_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    if_change_seq: int
    name: str
    labels: _containers.ScalarMap[str, str]
    job_class: _jobs_pb2.JobClass
    max_parallelism: int
    budget_micros: int
    job_timeout: _duration_pb2.Duration
    retention: _duration_pb2.Duration
    resume: bool
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., if_change_seq: _Optional[int] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., job_class: _Optional[_Union[_jobs_pb2.JobClass, str]] = ..., max_parallelism: _Optional[int] = ..., budget_micros: _Optional[int] = ..., job_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resume: _Optional[bool] = ..., actor: _Optional[str] = ...) -> None: ...

class UpdateJobResponse(_message.Message):
    __slots__ = ("job", "effects")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    effects: Effects
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "force", "actor")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    force: bool
    actor: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., force: _Optional[bool] = ..., actor: _Optional[str] = ...) -> None: ...

class DeleteJobResponse(_message.Message):
    __slots__ = ("gone", "effects")
    GONE_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    gone: bool
    effects: Effects
    def __init__(self, gone: _Optional[bool] = ..., effects: _Optional[_Union[Effects, _Mapping]] = ...) -> None: ...

class GetParamsRequest(_message.Message):
    __slots__ = ("job_id", "tenant")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class GetParamsResponse(_message.Message):
    __slots__ = ("job", "params")
    JOB_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    params: str
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., params: _Optional[str] = ...) -> None: ...

class ListFailureReasonsRequest(_message.Message):
    __slots__ = ("job_id", "tenant")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class ListFailureReasonsResponse(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.FailureGroup]
    def __init__(self, groups: _Optional[_Iterable[_Union[_jobs_pb2.FailureGroup, _Mapping]]] = ...) -> None: ...

class ListJobEventsRequest(_message.Message):
    __slots__ = ("job_id", "tenant", "page_size", "after_number")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    page_size: int
    after_number: int
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., after_number: _Optional[int] = ...) -> None: ...

class ListJobEventsResponse(_message.Message):
    __slots__ = ("events", "has_more")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.JobHistoryEvent]
    has_more: bool
    def __init__(self, events: _Optional[_Iterable[_Union[_jobs_pb2.JobHistoryEvent, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ("tenant", "first_day", "last_day", "by_day", "by_model", "by_kind", "by_label", "kind", "model", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FIRST_DAY_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    BY_DAY_FIELD_NUMBER: _ClassVar[int]
    BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    BY_KIND_FIELD_NUMBER: _ClassVar[int]
    BY_LABEL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    first_day: int
    last_day: int
    by_day: bool
    by_model: bool
    by_kind: bool
    by_label: str
    kind: str
    model: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, tenant: _Optional[str] = ..., first_day: _Optional[int] = ..., last_day: _Optional[int] = ..., by_day: _Optional[bool] = ..., by_model: _Optional[bool] = ..., by_kind: _Optional[bool] = ..., by_label: _Optional[str] = ..., kind: _Optional[str] = ..., model: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("groups", "total")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.UsageGroup]
    total: _jobs_pb2.UsageGroup
    def __init__(self, groups: _Optional[_Iterable[_Union[_jobs_pb2.UsageGroup, _Mapping]]] = ..., total: _Optional[_Union[_jobs_pb2.UsageGroup, _Mapping]] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Worker]
    def __init__(self, workers: _Optional[_Iterable[_Union[_jobs_pb2.Worker, _Mapping]]] = ...) -> None: ...
