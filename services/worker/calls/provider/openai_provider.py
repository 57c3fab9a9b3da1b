"""The provider behind the openai library: OpenAI, and every server that speaks its API."""

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
from services.worker.calls.provider.answer import read_completion, read_tokens
from services.worker.calls.provider.faults import connection_fault, status_fault, timeout_fault
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.calls.provider.remaining import read_remaining

_CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 60.0
_NO_KEY = "no-key"


class OpenAiProvider:
    """Makes chat completions through ``AsyncOpenAI`` over its aiohttp back end; connects when first used.

    The library's own retries are off: they would hide a rate limit from the worker and hold a slot in
    its in-flight limit meanwhile. Requests and answers go past its models, as JSON: they are most of what
    a call costs.

    Args:
        api_key: None: OPENAI_API_KEY; a base URL without any key gets a dummy one.
        base_url: None: OPENAI_BASE_URL, else OpenAI itself.
        timeout_seconds: For a whole call whose request names no other.
        max_connections: Open at once. Make no more calls at once: waiting for one uses up a call's time.
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
        """Host and port that the calls go to."""
        return self._name or "nowhere"

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call; see the protocol, and ``faults`` for what each failure becomes."""
        body = _encode(request)
        client = self._open()
        usage.call_count += 1
        answer, headers = await self._post(client, body, request.timeout_seconds)
        tokens = read_tokens(answer)
        tokens.add_to(usage)
        remaining = read_remaining(headers, tokens.input_tokens + tokens.output_tokens)
        if remaining is not None:
            self._remaining[request.model] = remaining
        return read_completion(answer, tokens)

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the last answer said it would take; see the protocol."""
        return self._remaining.pop(model, None)

    async def close(self) -> None:
        """Lets go of all connections. Safe to repeat."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            if not self._api_key and not self._base_url:
                raise JobFailedError(
                    "PROVIDER_NOT_CONFIGURED", "the worker has neither OPENAI_API_KEY nor OPENAI_BASE_URL"
                )
            if not self._name:
                raise JobFailedError("PROVIDER_NOT_CONFIGURED", "the worker's OPENAI_BASE_URL is no http URL")
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
        if timeout_seconds is not None:  # the library would break a longer one off at the client's own time
            options["timeout"] = _timeout(timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds or self._timeout_seconds):
                # A whole URL: the client takes a relative one apart and puts it together at every call.
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
            # The back end reports a closed connection as a connect time-out.
            slow = isinstance(error, openai.APITimeoutError) and not isinstance(
                error.__cause__, httpx2.ConnectTimeout
            )
            raise timeout_fault() if slow else connection_fault() from None
        except TimeoutError:
            raise timeout_fault() from None
        except (aiohttp.ClientError, OSError):
            raise connection_fault() from None
        except ValueError:
            raise RetryableError("BROKEN_ANSWER", "the provider's answer is not valid JSON") from None


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def _host(url: str) -> str:
    """Returns host and port of a URL, or an empty text if it is none that can be called."""
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
        raise ItemFailedError("PROVIDER_REFUSED_INPUT", "the text is not valid Unicode") from None
