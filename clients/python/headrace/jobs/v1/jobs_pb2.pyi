import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_PENDING: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_UPLOADING: _ClassVar[JobState]
    JOB_STATE_BLOCKED: _ClassVar[JobState]
    JOB_STATE_SCHEDULED: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
    JOB_STATE_CANCELLING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
    JOB_STATE_EXPIRED: _ClassVar[JobState]

class JobClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_CLASS_UNSPECIFIED: _ClassVar[JobClass]
    JOB_CLASS_INTERACTIVE: _ClassVar[JobClass]
    JOB_CLASS_DEFAULT: _ClassVar[JobClass]
    JOB_CLASS_BULK: _ClassVar[JobClass]

class PauseReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAUSE_REASON_UNSPECIFIED: _ClassVar[PauseReason]
    PAUSE_REASON_USER: _ClassVar[PauseReason]
    PAUSE_REASON_BUDGET: _ClassVar[PauseReason]
    PAUSE_REASON_OUTAGE: _ClassVar[PauseReason]
    PAUSE_REASON_REFUSALS: _ClassVar[PauseReason]
    PAUSE_REASON_FAILURES: _ClassVar[PauseReason]
    PAUSE_REASON_TRIAL: _ClassVar[PauseReason]

class ItemState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ITEM_STATE_UNSPECIFIED: _ClassVar[ItemState]
    ITEM_STATE_SUCCEEDED: _ClassVar[ItemState]
    ITEM_STATE_FAILED: _ClassVar[ItemState]

class JobChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_CHANGE_UNSPECIFIED: _ClassVar[JobChange]
    JOB_CHANGE_CREATED: _ClassVar[JobChange]
    JOB_CHANGE_STARTED: _ClassVar[JobChange]
    JOB_CHANGE_ENDED: _ClassVar[JobChange]
    JOB_CHANGE_PAUSED: _ClassVar[JobChange]
    JOB_CHANGE_RESUMED: _ClassVar[JobChange]
    JOB_CHANGE_OUTAGE: _ClassVar[JobChange]
    JOB_CHANGE_WORKER_LOST: _ClassVar[JobChange]
    JOB_CHANGE_QUARANTINED: _ClassVar[JobChange]
    JOB_CHANGE_RETRIED: _ClassVar[JobChange]
    JOB_CHANGE_UPDATED: _ClassVar[JobChange]
    JOB_CHANGE_CANCELLED: _ClassVar[JobChange]
    JOB_CHANGE_BUDGET_HELD: _ClassVar[JobChange]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_PENDING: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_UPLOADING: JobState
JOB_STATE_BLOCKED: JobState
JOB_STATE_SCHEDULED: JobState
JOB_STATE_PAUSED: JobState
JOB_STATE_CANCELLING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
JOB_STATE_EXPIRED: JobState
JOB_CLASS_UNSPECIFIED: JobClass
JOB_CLASS_INTERACTIVE: JobClass
JOB_CLASS_DEFAULT: JobClass
JOB_CLASS_BULK: JobClass
PAUSE_REASON_UNSPECIFIED: PauseReason
PAUSE_REASON_USER: PauseReason
PAUSE_REASON_BUDGET: PauseReason
PAUSE_REASON_OUTAGE: PauseReason
PAUSE_REASON_REFUSALS: PauseReason
PAUSE_REASON_FAILURES: PauseReason
PAUSE_REASON_TRIAL: PauseReason
ITEM_STATE_UNSPECIFIED: ItemState
ITEM_STATE_SUCCEEDED: ItemState
ITEM_STATE_FAILED: ItemState
JOB_CHANGE_UNSPECIFIED: JobChange
JOB_CHANGE_CREATED: JobChange
JOB_CHANGE_STARTED: JobChange
JOB_CHANGE_ENDED: JobChange
JOB_CHANGE_PAUSED: JobChange
JOB_CHANGE_RESUMED: JobChange
JOB_CHANGE_OUTAGE: JobChange
JOB_CHANGE_WORKER_LOST: JobChange
JOB_CHANGE_QUARANTINED: JobChange
JOB_CHANGE_RETRIED: JobChange
JOB_CHANGE_UPDATED: JobChange
JOB_CHANGE_CANCELLED: JobChange
JOB_CHANGE_BUDGET_HELD: JobChange

class Progress(_message.Message):
    __slots__ = ("total_count", "succeeded_count", "failed_count", "cancelled_count")
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    total_count: int
    succeeded_count: int
    failed_count: int
    cancelled_count: int
    def __init__(self, total_count: _Optional[int] = ..., succeeded_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., cancelled_count: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("call_count", "input_tokens", "output_tokens", "cached_tokens", "cost_micros", "answered_models")
    CALL_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_MODELS_FIELD_NUMBER: _ClassVar[int]
    call_count: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    answered_models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, call_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_micros: _Optional[int] = ..., answered_models: _Optional[_Iterable[str]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("reason", "message", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    detail: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class JobOptions(_message.Message):
    __slots__ = ("job_class", "max_failed_ratio", "max_parallelism", "schedule_time", "job_timeout", "item_timeout", "call_timeout", "cache_responses", "budget_micros", "trial_count", "retention")
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    MAX_FAILED_RATIO_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_TIME_FIELD_NUMBER: _ClassVar[int]
    JOB_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ITEM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_RESPONSES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MICROS_FIELD_NUMBER: _ClassVar[int]
    TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    job_class: JobClass
    max_failed_ratio: float
    max_parallelism: int
    schedule_time: _timestamp_pb2.Timestamp
    job_timeout: _duration_pb2.Duration
    item_timeout: _duration_pb2.Duration
    call_timeout: _duration_pb2.Duration
    cache_responses: bool
    budget_micros: int
    trial_count: int
    retention: _duration_pb2.Duration
    def __init__(self, job_class: _Optional[_Union[JobClass, str]] = ..., max_failed_ratio: _Optional[float] = ..., max_parallelism: _Optional[int] = ..., schedule_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., job_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., item_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., call_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cache_responses: _Optional[bool] = ..., budget_micros: _Optional[int] = ..., trial_count: _Optional[int] = ..., retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "kind", "state", "job_class", "create_time", "schedule_time", "start_time", "finish_time", "progress", "usage", "error", "pause_reason", "seq", "tenant", "expire_time", "budget_micros", "options", "name", "labels", "change_seq", "trial", "purge_time")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    JOB_CLASS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PAUSE_REASON_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MICROS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CHANGE_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    PURGE_TIME_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: str
    state: JobState
    job_class: JobClass
    create_time: _timestamp_pb2.Timestamp
    schedule_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    progress: Progress
    usage: Usage
    error: Error
    pause_reason: PauseReason
    seq: int
    tenant: str
    expire_time: _timestamp_pb2.Timestamp
    budget_micros: int
    options: JobOptions
    name: str
    labels: _containers.ScalarMap[str, str]
    change_seq: int
    trial: JobTrial
    purge_time: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., job_class: _Optional[_Union[JobClass, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schedule_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., pause_reason: _Optional[_Union[PauseReason, str]] = ..., seq: _Optional[int] = ..., tenant: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., budget_micros: _Optional[int] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., change_seq: _Optional[int] = ..., trial: _Optional[_Union[JobTrial, _Mapping]] = ..., purge_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JobTrial(_message.Message):
    __slots__ = ("item_count", "estimated_cost_micros", "low_cost_micros", "high_cost_micros")
    ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    LOW_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    HIGH_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    item_count: int
    estimated_cost_micros: int
    low_cost_micros: int
    high_cost_micros: int
    def __init__(self, item_count: _Optional[int] = ..., estimated_cost_micros: _Optional[int] = ..., low_cost_micros: _Optional[int] = ..., high_cost_micros: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("item_index", "item_key", "input", "result")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    item_key: str
    input: str
    result: Result
    def __init__(self, item_index: _Optional[int] = ..., item_key: _Optional[str] = ..., input: _Optional[str] = ..., result: _Optional[_Union[Result, _Mapping]] = ...) -> None: ...

class JobHistoryEvent(_message.Message):
    __slots__ = ("number", "event_time", "change", "actor", "message", "count", "last_event_time")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    number: int
    event_time: _timestamp_pb2.Timestamp
    change: JobChange
    actor: str
    message: str
    count: int
    last_event_time: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change: _Optional[_Union[JobChange, str]] = ..., actor: _Optional[str] = ..., message: _Optional[str] = ..., count: _Optional[int] = ..., last_event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UsageGroup(_message.Message):
    __slots__ = ("day", "model", "kind", "label_value", "job_count", "succeeded_count", "failed_count", "usage")
    DAY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LABEL_VALUE_FIELD_NUMBER: _ClassVar[int]
    JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    day: str
    model: str
    kind: str
    label_value: str
    job_count: int
    succeeded_count: int
    failed_count: int
    usage: Usage
    def __init__(self, day: _Optional[str] = ..., model: _Optional[str] = ..., kind: _Optional[str] = ..., label_value: _Optional[str] = ..., job_count: _Optional[int] = ..., succeeded_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("item_index", "state", "output", "error", "attempt_count", "usage", "finish_time", "failed_attempts", "item_key", "input")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILED_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    state: ItemState
    output: str
    error: Error
    attempt_count: int
    usage: Usage
    finish_time: _timestamp_pb2.Timestamp
    failed_attempts: _containers.RepeatedCompositeFieldContainer[FailedAttempt]
    item_key: str
    input: str
    def __init__(self, item_index: _Optional[int] = ..., state: _Optional[_Union[ItemState, str]] = ..., output: _Optional[str] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., attempt_count: _Optional[int] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failed_attempts: _Optional[_Iterable[_Union[FailedAttempt, _Mapping]]] = ..., item_key: _Optional[str] = ..., input: _Optional[str] = ...) -> None: ...

class FailedAttempt(_message.Message):
    __slots__ = ("attempt_number", "error")
    ATTEMPT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    attempt_number: int
    error: Error
    def __init__(self, attempt_number: _Optional[int] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class FailureGroup(_message.Message):
    __slots__ = ("reason", "item_count", "first_item_index", "first_message", "first_detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    FIRST_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: str
    item_count: int
    first_item_index: int
    first_message: str
    first_detail: str
    def __init__(self, reason: _Optional[str] = ..., item_count: _Optional[int] = ..., first_item_index: _Optional[int] = ..., first_message: _Optional[str] = ..., first_detail: _Optional[str] = ...) -> None: ...

class Kind(_message.Message):
    __slots__ = ("name", "description", "params_schema")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMS_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    params_schema: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., params_schema: _Optional[str] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("incarnation", "address", "start_time", "heartbeat_time", "live", "in_flight_count", "in_flight_limit", "leased_item_count", "limits_degraded", "items_per_second", "tokens_per_second", "limited_count", "cooldown_seconds")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_TIME_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
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
    start_time: _timestamp_pb2.Timestamp
    heartbeat_time: _timestamp_pb2.Timestamp
    live: bool
    in_flight_count: int
    in_flight_limit: int
    leased_item_count: int
    limits_degraded: bool
    items_per_second: float
    tokens_per_second: float
    limited_count: int
    cooldown_seconds: float
    def __init__(self, incarnation: _Optional[str] = ..., address: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., heartbeat_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., live: _Optional[bool] = ..., in_flight_count: _Optional[int] = ..., in_flight_limit: _Optional[int] = ..., leased_item_count: _Optional[int] = ..., limits_degraded: _Optional[bool] = ..., items_per_second: _Optional[float] = ..., tokens_per_second: _Optional[float] = ..., limited_count: _Optional[int] = ..., cooldown_seconds: _Optional[float] = ...) -> None: ...

class JobOutage(_message.Message):
    __slots__ = ("begin_time", "reason", "message")
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    begin_time: _timestamp_pb2.Timestamp
    reason: str
    message: str
    def __init__(self, begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LiveEvent(_message.Message):
    __slots__ = ("event_time", "incarnation", "in_flight_count", "items_per_second", "tokens_per_second", "limited_count", "cooldown_seconds", "outage")
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    LIMITED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_FIELD_NUMBER: _ClassVar[int]
    event_time: _timestamp_pb2.Timestamp
    incarnation: str
    in_flight_count: int
    items_per_second: float
    tokens_per_second: float
    limited_count: int
    cooldown_seconds: float
    outage: JobOutage
    def __init__(self, event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., incarnation: _Optional[str] = ..., in_flight_count: _Optional[int] = ..., items_per_second: _Optional[float] = ..., tokens_per_second: _Optional[float] = ..., limited_count: _Optional[int] = ..., cooldown_seconds: _Optional[float] = ..., outage: _Optional[_Union[JobOutage, _Mapping]] = ...) -> None: ...

class JobForecast(_message.Message):
    __slots__ = ("items_per_second", "tokens_per_second", "in_flight_count", "limited_count", "cooldown_seconds", "estimated_remaining", "estimated_cost_micros", "outage")
    ITEMS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LIMITED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_REMAINING_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_FIELD_NUMBER: _ClassVar[int]
    items_per_second: float
    tokens_per_second: float
    in_flight_count: int
    limited_count: int
    cooldown_seconds: float
    estimated_remaining: _duration_pb2.Duration
    estimated_cost_micros: int
    outage: JobOutage
    def __init__(self, items_per_second: _Optional[float] = ..., tokens_per_second: _Optional[float] = ..., in_flight_count: _Optional[int] = ..., limited_count: _Optional[int] = ..., cooldown_seconds: _Optional[float] = ..., estimated_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., estimated_cost_micros: _Optional[int] = ..., outage: _Optional[_Union[JobOutage, _Mapping]] = ...) -> None: ...
