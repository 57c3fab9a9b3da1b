import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from headrace.jobs.v1 import jobs_pb2 as _jobs_pb2
from services.stubs.results.v1 import results_pb2 as _results_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamProgressRequest(_message.Message):
    __slots__ = ("gateway",)
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    gateway: str
    def __init__(self, gateway: _Optional[str] = ...) -> None: ...

class StreamProgressResponse(_message.Message):
    __slots__ = ("incarnation", "jobs", "live_events")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    LIVE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    jobs: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Job]
    live_events: _containers.RepeatedCompositeFieldContainer[JobLiveEvent]
    def __init__(self, incarnation: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[_jobs_pb2.Job, _Mapping]]] = ..., live_events: _Optional[_Iterable[_Union[JobLiveEvent, _Mapping]]] = ...) -> None: ...

class JobLiveEvent(_message.Message):
    __slots__ = ("job_id", "live_event")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_EVENT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    live_event: _jobs_pb2.LiveEvent
    def __init__(self, job_id: _Optional[str] = ..., live_event: _Optional[_Union[_jobs_pb2.LiveEvent, _Mapping]] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id", "incarnation")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    incarnation: str
    def __init__(self, job_id: _Optional[str] = ..., incarnation: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseJobRequest(_message.Message):
    __slots__ = ("job_id", "incarnation")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    incarnation: str
    def __init__(self, job_id: _Optional[str] = ..., incarnation: _Optional[str] = ...) -> None: ...

class PauseJobResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChildRequest(_message.Message):
    __slots__ = ("setup", "item", "cancelled_number")
    SETUP_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    setup: ChildSetup
    item: ChildItem
    cancelled_number: int
    def __init__(self, setup: _Optional[_Union[ChildSetup, _Mapping]] = ..., item: _Optional[_Union[ChildItem, _Mapping]] = ..., cancelled_number: _Optional[int] = ...) -> None: ...

class ChildSetup(_message.Message):
    __slots__ = ("log_level", "model", "redis_url", "memory_bytes", "prices_file", "limits", "tenant_concurrency")
    LOG_LEVEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REDIS_URL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PRICES_FILE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    TENANT_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    log_level: str
    model: str
    redis_url: str
    memory_bytes: int
    prices_file: str
    limits: str
    tenant_concurrency: str
    def __init__(self, log_level: _Optional[str] = ..., model: _Optional[str] = ..., redis_url: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., prices_file: _Optional[str] = ..., limits: _Optional[str] = ..., tenant_concurrency: _Optional[str] = ...) -> None: ...

class ChildItem(_message.Message):
    __slots__ = ("number", "job", "item", "allowance_micros", "is_remainder")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_MICROS_FIELD_NUMBER: _ClassVar[int]
    IS_REMAINDER_FIELD_NUMBER: _ClassVar[int]
    number: int
    job: _results_pb2.JobSpec
    item: _results_pb2.LeasedItem
    allowance_micros: int
    is_remainder: bool
    def __init__(self, number: _Optional[int] = ..., job: _Optional[_Union[_results_pb2.JobSpec, _Mapping]] = ..., item: _Optional[_Union[_results_pb2.LeasedItem, _Mapping]] = ..., allowance_micros: _Optional[int] = ..., is_remainder: _Optional[bool] = ...) -> None: ...

class ChildReport(_message.Message):
    __slots__ = ("number", "cancelled", "output", "error", "retry_delay", "job_failed", "attempt_count", "usage", "failed_attempts", "work_time", "needed_micros")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    JOB_FAILED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FAILED_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WORK_TIME_FIELD_NUMBER: _ClassVar[int]
    NEEDED_MICROS_FIELD_NUMBER: _ClassVar[int]
    number: int
    cancelled: bool
    output: str
    error: _jobs_pb2.Error
    retry_delay: _duration_pb2.Duration
    job_failed: bool
    attempt_count: int
    usage: _jobs_pb2.Usage
    failed_attempts: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.FailedAttempt]
    work_time: _duration_pb2.Duration
    needed_micros: int
    def __init__(self, number: _Optional[int] = ..., cancelled: _Optional[bool] = ..., output: _Optional[str] = ..., error: _Optional[_Union[_jobs_pb2.Error, _Mapping]] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., job_failed: _Optional[bool] = ..., attempt_count: _Optional[int] = ..., usage: _Optional[_Union[_jobs_pb2.Usage, _Mapping]] = ..., failed_attempts: _Optional[_Iterable[_Union[_jobs_pb2.FailedAttempt, _Mapping]]] = ..., work_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., needed_micros: _Optional[int] = ...) -> None: ...
