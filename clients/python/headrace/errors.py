"""The tree of errors. Clients raise them, and the services answer calls with them.

Each class stands for one gRPC status code. Programs should check the ``reason``, such as ``UNKNOWN_KIND``,
which travels in a ``google.rpc.ErrorInfo``. The message is for people.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from headrace.reasons import ErrorReason

if TYPE_CHECKING:
    from headrace.resources import Job, Result

__all__ = [
    "DOMAIN",
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "FieldViolation",
    "HeadraceError",
    "InternalError",
    "InvalidArgumentError",
    "ItemUnsuccessfulError",
    "JobUnsuccessfulError",
    "NotFoundError",
    "OutputMismatchError",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnimplementedError",
    "from_rpc_error",
    "to_status",
]

DOMAIN = "headrace"


class FieldViolation(NamedTuple):
    """A wrong field of a request.

    Attributes:
        field: Path of the field, such as ``params.labels`` or ``items[3]``.
        description: The fault and the remedy.
    """

    field: str
    description: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields by name, as values that every JSON library takes."""
        return self._asdict()


class HeadraceError(Exception):
    """Base class of all errors that Headrace raises or answers.

    Attributes:
        code: gRPC status code of the class.
        reason: Stable name in UPPER_SNAKE_CASE, for programs.
        message: Text for people, without secrets.
        violations: Wrong fields. Empty unless the error is about the content of the request.
        metadata: Further facts for programs, documented with each reason, such as ``stored_count``.
        answered: Whether a Headrace server sent the error. False if the client found it, or the transport
            broke.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    default_reason: ClassVar[str] = ErrorReason.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        violations: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.answered = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes by name, as values that every JSON library takes. The code is its name."""
        return {
            "code": self.code.name,
            "reason": str(self.reason),
            "message": self.message,
            "violations": [violation.to_dict() for violation in self.violations],
            "metadata": dict(self.metadata),
            "answered": self.answered,
        }

    def name_cause(self, cause: str) -> None:
        """Adds a likely cause to the message."""
        self.message = f"{self.message} ({cause})"
        self.args = (self.message,)


class InvalidArgumentError(HeadraceError):
    """The request is wrong and stays wrong: correct the named field."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = ErrorReason.INVALID_FIELD


class OutputMismatchError(InvalidArgumentError):
    """An output is not of the output_type that was asked for. Found by the client.

    Attributes:
        item_index: Index of the item.
        field: Path of the first wrong field, such as ``address.city``. Empty: the output as a whole.
    """

    default_reason = ErrorReason.OUTPUT_MISMATCH

    def __init__(self, message: str, *, item_index: int, field: str) -> None:
        violations = [FieldViolation(f"output.{field}" if field else "output", message)]
        metadata = {"item_index": str(item_index), "field": field}
        super().__init__(message, violations=violations, metadata=metadata)
        self.item_index = item_index
        self.field = field


class NotFoundError(HeadraceError):
    """The object does not exist, or it belongs to another tenant."""

    code = grpc.StatusCode.NOT_FOUND
    default_reason = ErrorReason.JOB_NOT_FOUND


class AlreadyExistsError(HeadraceError):
    """The name is taken, such as a request_id used with other content."""

    code = grpc.StatusCode.ALREADY_EXISTS
    default_reason = ErrorReason.REQUEST_ID_REUSED


class FailedPreconditionError(HeadraceError):
    """The current state of the object does not allow the request."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    default_reason = ErrorReason.FAILED_PRECONDITION


class JobUnsuccessfulError(FailedPreconditionError):
    """A job of ``run`` or ``map`` ended without success. The reason is that of the job's error, or CANCELLED.

    Attributes:
        job: Terminal snapshot of the job. Its results stay: ``results(error.job.job_id)``.
    """

    def __init__(self, job: "Job") -> None:
        failed = job.error
        cause = f": {failed.reason}: {failed.message}" if failed else ""
        super().__init__(
            f"job {job.job_id} ended as {job.state} with {job.progress.succeeded_count:,} of "
            f"{job.progress.total_count:,} items{cause}",
            reason=failed.reason if failed else ErrorReason.CANCELLED,
        )
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job,)


class ItemUnsuccessfulError(FailedPreconditionError):
    """An item of ``map`` failed. The reason and the message are those of its error.

    Attributes:
        job_id: UUID of the job.
        result: Result of the item, with its item_index and its error.
    """

    def __init__(self, job_id: str, result: "Result") -> None:
        failed = result.error
        cause = failed.message if failed else "it has no output"
        super().__init__(f"items[{result.item_index}]: {cause}", reason=failed.reason if failed else None)
        self.job_id = job_id
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, self.result)


class AbortedError(HeadraceError):
    """Another client was faster: read again, then repeat."""

    code = grpc.StatusCode.ABORTED
    default_reason = ErrorReason.ABORTED


class ResourceExhaustedError(HeadraceError):
    """A limit is exceeded, such as the size of a message."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    default_reason = ErrorReason.RESOURCE_EXHAUSTED


class UnavailableError(HeadraceError):
    """The server cannot be reached or cannot answer now: repeat the call."""

    code = grpc.StatusCode.UNAVAILABLE
    default_reason = ErrorReason.UNAVAILABLE


class DeadlineExceededError(HeadraceError):
    """No response came in time. The call may or may not have taken effect."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    default_reason = ErrorReason.DEADLINE_EXCEEDED


class CancelledError(HeadraceError):
    """The call was cancelled."""

    code = grpc.StatusCode.CANCELLED
    default_reason = ErrorReason.CANCELLED


class UnimplementedError(HeadraceError):
    """The server does not know this call."""

    code = grpc.StatusCode.UNIMPLEMENTED
    default_reason = ErrorReason.UNIMPLEMENTED


class InternalError(HeadraceError):
    """A fault of the server; its log has the details."""

    code = grpc.StatusCode.INTERNAL
    default_reason = ErrorReason.INTERNAL


# Text of gRPC's own errors after a server has sent GOAWAY with ENHANCE_YOUR_CALM.
_TOO_MANY_PINGS = re.compile("too[ _]many[ _]pings|ENHANCE_YOUR_CALM", re.IGNORECASE)

_CLASS_BY_CODE: dict[grpc.StatusCode, type[HeadraceError]] = {
    error.code: error for error in HeadraceError.__subclasses__()
}


def to_status(error: HeadraceError) -> status_pb2.Status:
    """Returns the gRPC status of an error, with ErrorInfo and BadRequest details."""
    code: int = error.code.value[0]
    status = status_pb2.Status(code=code, message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    status.details.add().Pack(info)
    if error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        status.details.add().Pack(bad_request)
    return status


def from_rpc_error(rpc_error: grpc.aio.AioRpcError) -> HeadraceError:
    """Returns the error of a failed call, with its reason and violations if it carried any."""
    error_class = _CLASS_BY_CODE.get(rpc_error.code(), HeadraceError)
    message = rpc_error.details() or rpc_error.code().name
    reason, violations, metadata = None, [], {}
    status = _rich_status(rpc_error)
    for detail in status.details if status else ():
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request):
            violations = [FieldViolation(v.field, v.description) for v in bad_request.field_violations]
    answered = reason is not None
    if not answered and _TOO_MANY_PINGS.search(message):
        reason = ErrorReason.TOO_MANY_PINGS
    error = error_class(message, reason=reason, violations=violations, metadata=metadata)
    error.answered = answered
    return error


def _rich_status(rpc_error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(rpc_error)  # type: ignore[arg-type]  # an AioRpcError has the shape of a call
    except ValueError:  # a proxy changed the status, so its details no longer match
        return None
