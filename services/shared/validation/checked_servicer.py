"""Checks the requests of a service between our own processes, at almost no cost for right ones."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import protovalidate
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from headrace.errors import FieldViolation, HeadraceError, InternalError, InvalidArgumentError
from services.shared.logging import get_logger
from services.shared.serving.rpc_handlers import Context, Stream, Unary
from services.shared.validation.bounds import length_bounds

log = get_logger(__name__)

_MAX_LISTED = 20
_validator = protovalidate.Validator()


class CheckedServicer:
    """A servicer whose requests are checked.

    The lengths of a request's own fields are checked before a call. All rules of its proto are checked only
    after a call has failed in an unexpected way: a request that breaks one was the cause, and the call ends
    with INVALID_ARGUMENT instead of INTERNAL. So the rules cost nothing where callers keep to them.

    Args:
        servicer: Servicer of the service.
        service: Descriptor of the service.
        refusal: Exception that means that a value of the request is refused, such as a NaN in a database.
    """

    def __init__(
        self, servicer: Any, service: ServiceDescriptor, refusal: type[Exception] | None = None
    ) -> None:
        for method in service.methods:
            behaviour = getattr(servicer, method.name)
            check = _checked_stream if method.server_streaming else _checked_unary
            setattr(self, method.name, check(behaviour, refusal))


def _checked_unary(behaviour: Unary, refusal: type[Exception] | None) -> Unary:
    async def checked(request: Any, context: Context) -> Any:
        check_lengths(request)
        try:
            return await behaviour(request, context)
        except Exception as error:
            _raise_if_refused(error, request, refusal)
            raise

    return checked


def _checked_stream(behaviour: Stream, refusal: type[Exception] | None) -> Stream:
    async def checked(request: Any, context: Context) -> AsyncIterator[Any]:
        check_lengths(request)
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:
            _raise_if_refused(error, request, refusal)
            raise

    return checked


def check_lengths(request: Message) -> None:
    """Checks the length of each list, string and bytes of a request, without those in its messages.

    Raises:
        InvalidArgumentError: INVALID_FIELD: names every field that is too long.
    """
    wrong = [
        FieldViolation(name, f"must have at most {bound:,} elements, characters or bytes")
        for name, bound in length_bounds(request.DESCRIPTOR).items()
        if len(getattr(request, name)) > bound
    ]
    if wrong:
        raise _invalid(wrong)


def _raise_if_refused(error: Exception, request: Message, refusal: type[Exception] | None) -> None:
    """Raises INVALID_FIELD if an unexpected error has its cause in the request."""
    is_unexpected = not isinstance(error, (HeadraceError, grpc.aio.AbortError)) or isinstance(
        error, InternalError
    )
    if not is_unexpected:
        return
    found = _validator.collect_violations(request)[:_MAX_LISTED]
    if found:
        log.warning("request_refused", request=request.DESCRIPTOR.full_name, violations=len(found))
        raise _invalid([_violation(each) for each in found]) from error
    if refusal is not None and isinstance(error, refusal):
        log.warning("request_refused", request=request.DESCRIPTOR.full_name, error=str(error))
        raise InvalidArgumentError("a value of the request is refused by the database") from error


def _violation(violation: protovalidate.Violation) -> FieldViolation:
    elements = violation.proto.field.elements if violation.proto.field else ()
    return FieldViolation(".".join(element.field_name for element in elements), violation.proto.message)


def _invalid(violations: list[FieldViolation]) -> InvalidArgumentError:
    first = violations[0]
    return InvalidArgumentError(f"{first.field}: {first.description}", violations=violations)
