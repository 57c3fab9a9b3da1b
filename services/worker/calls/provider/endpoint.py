"""The URL and headers of a provider's chat completions, read from the settings."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from aiohttp import encode_basic_auth
from yarl import URL

from headrace import __version__
from headrace.kinds import JobFailedError
from headrace.reasons import ErrorReason

_OPENAI = "https://api.openai.com/v1"
_PATH = "/chat/completions"
_NO_KEY = "no-key"
_VISIBLE = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ -~\t]*")
_SECRET_NAME = re.compile(r"auth|cookie|credential|key|pass|secret|sig|token", re.IGNORECASE)
_VERSION = re.compile(r"/v\d|/openai(/|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Endpoint:
    """Fixed parts of every request to a provider.

    Attributes:
        url: Complete URL of chat completions.
        headers: Headers of every request, with the key.
        has_version: Whether the path names a version of the API, such as ``/v1``.
    """

    url: str
    headers: dict[str, str]
    has_version: bool


def host_of(base_url: str | None) -> str:
    """Returns host and port of a base URL, OpenAI's if it is None. Empty if it is not an HTTP URL."""
    parts = _split((base_url or _OPENAI).strip())
    return parts.netloc.rpartition("@")[2] if parts else ""


def secrets_of(api_key: str | None, base_url: str | None, headers: Mapping[str, str]) -> list[str]:
    """Returns what no message may repeat: the key, and the secrets in a base URL and in headers.

    Args:
        api_key: API key.
        base_url: Base URL. Its user, password and query may hold secrets.
        headers: Headers of every request.
    """
    secrets = [(api_key or "").strip()]
    if parts := _split((base_url or "").strip()):
        secrets += [unquote(parts.username or ""), unquote(parts.password or "")]
        secrets += [value for name, value in parse_qsl(parts.query) if _SECRET_NAME.search(name)]
    for name, value in headers.items():
        if _SECRET_NAME.search(name):
            secrets += [value, value.rpartition(" ")[2]]  # without a scheme such as Bearer
    return [secret for secret in dict.fromkeys(secrets) if secret]


def read_custom_headers() -> dict[str, str]:
    """Returns the headers of OPENAI_CUSTOM_HEADERS that can be read."""
    lines = (line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines())
    return {name.strip(): value.strip() for name, separator, value in lines if separator}


def read_endpoint(api_key: str | None, base_url: str | None) -> Endpoint:
    """Returns the endpoint of a key and a base URL, with OPENAI_ORG_ID, _PROJECT_ID and _CUSTOM_HEADERS.

    White space around a setting is ignored, and so is a trailing slash of the URL. The URL's query is kept,
    such as ``?api-version=2024-10-21``. A URL that already ends with ``/chat/completions`` is used as it is.

    Args:
        api_key: API key. A base URL without a key gets a dummy key.
        base_url: Base URL. None for OpenAI's.

    Raises:
        JobFailedError: PROVIDER_NOT_CONFIGURED. A setting is missing or unusable. The message names it.
    """
    key = (api_key or "").strip()
    url = (base_url or "").strip()
    if not key and not url:
        raise _not_configured("set OPENAI_API_KEY or OPENAI_BASE_URL on the worker")
    parts = _check_url(url or _OPENAI)
    headers = _with_custom_headers(_own_headers(key or _NO_KEY))
    if parts.username or parts.password:
        headers = _replace(headers, "Authorization", _basic_auth(parts))
    path = parts.path.rstrip("/").removesuffix(_PATH)
    netloc = parts.netloc.rpartition("@")[2]
    return Endpoint(
        url=urlunsplit((parts.scheme, netloc, path + _PATH, parts.query, "")),
        headers=headers,
        has_version=_VERSION.search(path) is not None,
    )


def _own_headers(key: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"headrace/{__version__}",
        "Authorization": f"Bearer {_check_word('OPENAI_API_KEY', key)}",
    }
    for header, name in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
        value = os.environ.get(name, "").strip()
        if value:
            headers[header] = _check_word(name, value)
    return headers


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_http = (
            parts.scheme in ("http", "https")
            and (parts.hostname or "").encode("idna")
            and (parts.port or True)
        )
        URL(url)
    except ValueError:
        return None
    return parts if is_http else None


def _check_url(url: str) -> SplitResult:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _not_configured("the worker's OPENAI_BASE_URL contains white space or a control character")
    parts = _split(url)
    if parts is None:
        hint = "" if "://" in url else "; it must begin with http:// or https://"
        raise _not_configured(f"the worker's OPENAI_BASE_URL is not an http or https URL{hint}")
    return parts


def _check_word(name: str, value: str) -> str:
    """Returns the value of a setting that must be one word. The message never repeats the value."""
    if not _VISIBLE.fullmatch(value):
        raise _not_configured(
            f"the worker's {name} contains a space, a line break or another character that no header allows"
        )
    if value[0] in "\"'":
        raise _not_configured(f"the worker's {name} is in quotes; remove them")
    return value


def _with_custom_headers(headers: dict[str, str]) -> dict[str, str]:
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, separator, value = (part.strip() for part in line.partition(":"))
        if not (name or separator):
            continue
        if not separator or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise _not_configured(
                "the worker's OPENAI_CUSTOM_HEADERS contains a line that is not a header; write NAME: VALUE"
            )
        headers = _replace(headers, name, value)
    return headers


def _replace(headers: dict[str, str], name: str, value: str) -> dict[str, str]:
    others = {other: text for other, text in headers.items() if other.lower() != name.lower()}
    return {**others, name: value}


def _basic_auth(parts: SplitResult) -> str:
    return encode_basic_auth(unquote(parts.username or "").replace(":", ""), unquote(parts.password or ""))


def _not_configured(message: str) -> JobFailedError:
    return JobFailedError(ErrorReason.PROVIDER_NOT_CONFIGURED, message)
