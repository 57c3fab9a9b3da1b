"""Recognises a base URL that does not lead to chat completions, such as one without ``/v1``."""

import re
from typing import Any

from headrace.kinds import JobFailedError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.endpoint import Endpoint
from services.worker.calls.provider.error_response import ErrorResponse, unwrap_error

_URL_CODES = {"unknown_url", "invalid_url", "route_not_found"}
_URL_MESSAGE = re.compile(
    r"(invalid|unknown|unsupported|incorrect) (request )?(url|path|route|endpoint)|unexpected endpoint"
    r"|no route|(url|route|endpoint|path|page|resource) (was )?not found|cannot post",
    re.IGNORECASE,
)
_MODEL = re.compile(r"\b(model|deployment)", re.IGNORECASE)


def check_url(endpoint: Endpoint, status: int, response: Any, content: bytes) -> None:
    """Raises an error if the response shows that the base URL is wrong.

    Args:
        endpoint: Endpoint that was called.
        status: HTTP status.
        response: Decoded body. None if it is not JSON.
        content: The body itself.

    Raises:
        JobFailedError: PROVIDER_URL_WRONG. The message says whether ``/v1`` may be missing.
    """
    if status in (404, 405):
        is_wrong = _is_about_url(endpoint, status, response)
    elif 200 <= status < 300:  # a web page, or an error about the URL in a response with status 200
        is_page = response is None and content.lstrip()[:1] == b"<"
        is_wrong = _names_url(response) or (is_page and not endpoint.has_version)
    else:
        return
    if is_wrong:
        hint = "" if endpoint.has_version else "; most servers need a URL that ends with /v1"
        raise JobFailedError(
            ErrorReason.PROVIDER_URL_WRONG,
            f"the provider's URL serves no chat completions (HTTP {status}); check OPENAI_BASE_URL{hint}",
        )


def _is_about_url(endpoint: Endpoint, status: int, response: Any) -> bool:
    if status == 405 or _names_url(response):
        return True
    error = ErrorResponse(status=status, headers={}, body=unwrap_error(response))
    if not isinstance(error.body, dict) or not (error.code or error.type):
        return True
    names_model = error.code == "model_not_found" or _MODEL.search(error.message or "")
    return not endpoint.has_version and not names_model


def _names_url(response: Any) -> bool:
    if not isinstance(response, dict) or response.get("choices"):
        return False
    error = ErrorResponse(status=0, headers={}, body=unwrap_error(response))
    message = error.message or ""
    return error.code in _URL_CODES or bool(_URL_MESSAGE.search(message) and not _MODEL.search(message))
