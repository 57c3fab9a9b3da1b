from headrace.jobs.v1 import jobs_pb2 as _jobs_pb2
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
