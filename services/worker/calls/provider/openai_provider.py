"""Provider adapter over the openai library, for OpenAI and every server that speaks its API."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai
import orjson

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, JobFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.faults import connection_fault, status_fault, timeout_fault
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.calls.provider.remaining import read_remaining
from services.worker.calls.provider.response import read_completion, read_tokens

_CONNECT_TIMEOUT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 60.0
_NO_KEY = "no-key"


class OpenAiProvider:
    """Makes chat completions through ``AsyncOpenAI`` over its aiohttp back end. It connects when first used.

    The library's own retries are off, because they would hide rate limits from the worker and occupy a slot
    meanwhile. Requests and responses bypass the library's models and travel as JSON, because the models would
    be most of the cost of a call.

    Args:
        api_key: API key. None for OPENAI_API_KEY. A base URL without a key gets a dummy key.
        base_url: Base URL. None for OPENAI_BASE_URL, or OpenAI itself if that is unset.
        timeout_seconds: Time limit of a call whose request sets none.
        max_connections: Maximum open connections. Do not make more calls at once, because waiting for a
            connection counts towards a call's time limit.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 120.0,
        max_connections: int = 1000,
    ) -> None:
        self._api_key = api_key or os.environ.get("OPENAI_API_KEY") or None
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._name = _host(self._base_url) if self._base_url else "api.openai.com"
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._remaining: dict[str, int] = {}
        self._client: openai.AsyncOpenAI | None = None

    @property
    def name(self) -> str:
        """Host and port of the provider."""
        return self._name or "nowhere"

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call. See ``Provider``, and ``faults`` for the error of each failure."""
        body = _encode(request)
        client = self._open()
        usage.call_count += 1
        response, headers = await self._post(client, body, request.timeout_seconds)
        tokens = read_tokens(response)
        tokens.add_to(usage)
        remaining = read_remaining(headers, tokens.input_tokens + tokens.output_tokens)
        if remaining is not None:
            self._remaining[request.model] = remaining
        return read_completion(response, tokens)

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the provider accepts. See ``Provider``."""
        return self._remaining.pop(model, None)

    async def close(self) -> None:
        """Closes all connections. Safe to repeat."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            if not self._api_key and not self._base_url:
                raise JobFailedError(
                    ErrorReason.PROVIDER_NOT_CONFIGURED, "set OPENAI_API_KEY or OPENAI_BASE_URL on the worker"
                )
            if not self._name:
                raise JobFailedError(
                    ErrorReason.PROVIDER_NOT_CONFIGURED,
                    "the worker's OPENAI_BASE_URL is not an http or https URL",
                )
            timeout = _timeout(self._timeout_seconds)
            limits = httpx2.Limits(max_connections=self._max_connections, keepalive_expiry=_KEEPALIVE_SECONDS)
            self._client = openai.AsyncOpenAI(
                api_key=self._api_key or _NO_KEY,
                base_url=self._base_url,
                timeout=timeout,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(limits=limits, timeout=timeout),
            )
        return self._client

    async def _post(
        self, client: openai.AsyncOpenAI, body: bytes, timeout_seconds: float | None
    ) -> tuple[Any, Mapping[str, str]]:
        options: openai.RequestOptions = {}
        if timeout_seconds is not None:  # without it, the client's own limit would end a longer call
            options["timeout"] = _timeout(timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds or self._timeout_seconds):
                # An absolute URL, because the client parses and rebuilds a relative one at every call.
                response = await client.post(
                    str(client.base_url).rstrip("/") + "/chat/completions",
                    cast_to=httpx2.Response,
                    content=body,
                    options=options,
                )
            return orjson.loads(response.content), response.headers
        except openai.APIStatusError as error:
            raise status_fault(error) from None
        except openai.APIConnectionError as error:
            # The back end reports a closed connection as a connect timeout.
            slow = isinstance(error, openai.APITimeoutError) and not isinstance(
                error.__cause__, httpx2.ConnectTimeout
            )
            is_reachable = not isinstance(error.__cause__, httpx2.ConnectError)
            raise timeout_fault() if slow else connection_fault(is_reachable=is_reachable) from None
        except TimeoutError:
            raise timeout_fault() from None
        except (aiohttp.ClientError, OSError):
            raise connection_fault() from None
        except ValueError:
            raise RetryableError(
                ErrorReason.BROKEN_ANSWER, "the provider's response is not valid JSON"
            ) from None


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT_SECONDS))


def _host(url: str) -> str:
    """Returns host and port of a URL. Empty if it is not an http or https URL."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2] if known else ""


def _encode(request: CompletionRequest) -> bytes:
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body["max_completion_tokens"] = request.max_output_tokens
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        raise ItemFailedError(ErrorReason.PROVIDER_REFUSED_INPUT, "the text is not valid Unicode") from None
