"""Recognises a base URL that does not lead to chat completions, such as one without ``/v1``."""

import re
from typing import Any

from headrace.kinds import JobRefusedError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.endpoint import Endpoint
from services.worker.calls.provider.error_body import read_error_body

_URL_CODES = {"unknown_url", "invalid_url", "route_not_found"}
_URL_MESSAGE = re.compile(
    r"(invalid|unknown|unsupported|incorrect) (request )?(url|path|route|endpoint)|unexpected endpoint"
    r"|no route|(url|route|endpoint|path|page|resource) (was )?not found|cannot post",
    re.IGNORECASE,
)
_MODEL = re.compile(r"\b(model|deployment)", re.IGNORECASE)


def find_wrong_url(endpoint: Endpoint, status: int, response: Any, content: bytes) -> JobRefusedError | None:
    """Returns the error PROVIDER_URL_WRONG if the response shows that the base URL is wrong.

    Its message says whether ``/v1`` may be missing.

    Args:
        endpoint: Endpoint that was called.
        status: HTTP status.
        response: Decoded body. None if it is not JSON.
        content: The body itself.
    """
    if status in (404, 405):
        is_wrong = _is_about_url(endpoint, status, content if response is None else response)
    elif 200 <= status < 300:  # a web page, or an error about the URL in a response with status 200
        is_page = response is None and content.lstrip()[:1] == b"<"
        is_wrong = _names_url(response) or (is_page and not endpoint.has_version)
    else:
        is_wrong = False
    if not is_wrong:
        return None
    hint = "" if endpoint.has_version else "; most servers need a URL that ends with /v1"
    return JobRefusedError(
        ErrorReason.PROVIDER_URL_WRONG,
        f"the provider's URL serves no chat completions (HTTP {status}); check OPENAI_BASE_URL{hint}",
    )


def _is_about_url(endpoint: Endpoint, status: int, response: Any) -> bool:
    if status == 405 or _names_url(response):
        return True
    error = read_error_body(response)
    if error.code == "model_not_found" or _MODEL.search(error.message):
        return False
    return not endpoint.has_version or not (error.code or error.type)


def _names_url(response: Any) -> bool:
    if not isinstance(response, dict) or response.get("choices"):
        return False
    error = read_error_body(response)
    return error.code in _URL_CODES or bool(
        _URL_MESSAGE.search(error.message) and not _MODEL.search(error.message)
    )
