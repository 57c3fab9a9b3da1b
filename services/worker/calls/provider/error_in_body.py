"""Finds an error in a response with status 200, and the status that it names."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

_STATUS = re.compile(r"[45]\d\d(?!\w)")
_STATUS_IN_WORDS = re.compile(
    r"\W{0,3}(?:(?:http|api|client|server|error|status|code)[\s_:=/-]{0,3}){0,4}(?:1\.[01]\s)?([45]\d\d)(?![\w.,]*\d|\s*tokens)\b",
    re.IGNORECASE,
)
_PUNCTUATION = re.compile(r"[\W_]+")
# Codes of gateways that send an error with each answer.
_SUCCESSES = {"0", "200", "null", "none", "ok", "success", "noerror", "false"}
_MAX_DEPTH = 8
_STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_status", "type")
# Names of errors, without case and punctuation, with the status that providers send for them.
_STATUSES = {
    "accessdenied": 403,
    "apierror": 500,
    "apitimeouterror": 504,
    "authenticationerror": 401,
    "badgateway": 502,
    "badrequesterror": 400,
    "billingerror": 402,
    "billinghardlimitreached": 429,
    "billingnotactive": 429,
    "contentfilter": 400,
    "contextlengthexceeded": 400,
    "deadlineexceeded": 504,
    "exceedcontextsizeerror": 400,
    "forbidden": 403,
    "gatewaytimeout": 504,
    "incorrectapikey": 401,
    "insufficientbalance": 402,
    "insufficientquota": 429,
    "internal": 500,
    "internalerror": 500,
    "internalservererror": 500,
    "invalidapikey": 401,
    "invalidargument": 400,
    "invalidrequesterror": 400,
    "modelnotavailable": 404,
    "modelnotfound": 404,
    "notfound": 404,
    "notfounderror": 404,
    "overloaded": 529,
    "overloadederror": 529,
    "paymentrequired": 402,
    "permissiondenied": 403,
    "permissiondeniederror": 403,
    "permissionerror": 403,
    "quotaexceeded": 429,
    "ratelimit": 429,
    "ratelimited": 429,
    "ratelimiterror": 429,
    "ratelimitexceeded": 429,
    "requests": 429,
    "resourceexhausted": 429,
    "servererror": 500,
    "serviceunavailable": 503,
    "serviceunavailableerror": 503,
    "throttled": 429,
    "throttlingexception": 429,
    "timeout": 504,
    "timeouterror": 504,
    "tokens": 429,
    "toomanyrequests": 429,
    "unauthenticated": 401,
    "unauthorized": 401,
    "unavailable": 503,
    "unknownmodel": 404,
}


class ErrorInBody(NamedTuple):
    """An error in a response with status 200.

    Attributes:
        status: HTTP status that the error names. None if it names none.
        error: The error, an object or a text.
    """

    status: int | None
    error: Any


def find_error(response: Any) -> ErrorInBody | None:
    """Returns the error in a response with status 200, or None if it holds none.

    Args:
        response: Decoded body, of any form.
    """
    error = _error_of(response)
    if error is None:
        return None
    for _ in range(_MAX_DEPTH):
        inner = _inner(error)
        if inner is None:
            break
        error = inner
    return ErrorInBody(_status_of(error) or _status_of(response), error)


def _inner(error: Any) -> Any:
    """Returns the error within an envelope, a list or a text of JSON. None if it is the error itself."""
    if isinstance(error, dict):
        inner = error.get("error")
        return inner if isinstance(inner, dict) and inner else None
    if isinstance(error, list):
        return error[0] if error else None
    if isinstance(error, str) and error.lstrip().startswith("{"):
        try:
            value = orjson.loads(error)
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) and value else None
    return None


def _error_of(response: Any) -> Any:
    if isinstance(response, list) and len(response) == 1:  # Google's endpoints wrap the envelope in a list
        response = response[0]
    if not isinstance(response, dict):
        return None
    for holder in _holders(response):
        error = holder.get("error")
        if _is_error(error):
            return {**response, "error": None} if isinstance(error, bool) else error
    if response.get("success") is False or _is_failed(response):
        errors = response.get("errors")
        return errors[0] if isinstance(errors, list) and errors else response
    if response.get("choices"):
        return None
    errors = response.get("errors")
    if isinstance(errors, list) and errors:
        return errors[0]
    names_failure = response.get("object") == "error" or response.get("type") == "error"
    return response if names_failure or _status_of(response) else None


def _holders(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields what can hold an error: the response, its choice and its message."""
    yield response
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict):
        yield choice
        if isinstance(choice.get("message"), dict):
            yield choice["message"]


def _is_failed(response: dict[str, Any]) -> bool:
    """Returns whether a response has a code of its own that is not the one of success."""
    result = response.get("base_resp")
    codes = (response.get("error_code"), result.get("status_code") if isinstance(result, dict) else None)
    return any(code not in (None, "", 0, "0") for code in codes)


def _is_error(error: Any) -> bool:
    if isinstance(error, dict):
        return any(error.values()) and not (_is_success(error.get("code")) and not error.get("type"))
    return bool(error) and not (isinstance(error, str) and _is_success(error))


def _is_success(value: Any) -> bool:
    """Returns whether gateways that always send an error mean by its code that there is none."""
    is_word = isinstance(value, str | int) and not isinstance(value, bool)
    return is_word and _fold(str(value)) in _SUCCESSES


def _fold(name: str) -> str:
    return _PUNCTUATION.sub("", name[:100]).lower()


def _status_of(error: Any) -> int | None:
    if isinstance(error, str):
        return _status_in_words(error)
    if not isinstance(error, dict):
        return None
    for name in _STATUS_FIELDS:
        value = error.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value) if isinstance(value, str | int) else ""
        if (found := _STATUS.match(text.strip())) is not None:
            return int(found[0])
        if (status := _STATUSES.get(_fold(text))) is not None:
            return status
    message = error.get("message")
    return _status_in_words(message) if isinstance(message, str) else None


def _status_in_words(message: str) -> int | None:
    """Returns the status that a message begins with, such as ``Error code: 429 - ...``."""
    found = _STATUS_IN_WORDS.match(message)
    return int(found[1]) if found else None
