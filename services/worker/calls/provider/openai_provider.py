"""Provider adapter for OpenAI and every server that speaks its API, straight over aiohttp."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, Message, RetryableError
from services.worker.calls.provider.answers.envelope import open_envelope
from services.worker.calls.provider.answers.received_body import ReceivedBody
from services.worker.calls.provider.connection_faults import connection_error, proxy_fault
from services.worker.calls.provider.endpoint import (
    Endpoint,
    host_of,
    read_custom_headers,
    read_endpoint,
    secrets_of,
)
from services.worker.calls.provider.error_in_body import find_error
from services.worker.calls.provider.fault_log import FaultLog
from services.worker.calls.provider.faults import Faults, redirect_fault, timeout_fault, unreadable_fault
from services.worker.calls.provider.json_body import read_json
from services.worker.calls.provider.profiles import Profiles, read_profiles
from services.worker.calls.provider.provider import UNKNOWN_COST_MICROS, CompletionRequest, RequestForm
from services.worker.calls.provider.proxies import find_proxy
from services.worker.calls.provider.remaining import read_remaining
from services.worker.calls.provider.requests import (
    FixedPart,
    RequestEncoder,
    RequestForms,
    refuses_schema,
    with_remedy,
)
from services.worker.calls.provider.response import read_completion
from services.worker.calls.provider.tls import open_ssl_context
from services.worker.calls.provider.usage import note_model, read_tokens
from services.worker.calls.provider.wrong_url import find_wrong_url

_CONNECT_TIMEOUT_SECONDS = 10.0
# A call with a shorter timeout does not show that the host is unreachable. In seconds.
_TELLING_TIMEOUT_SECONDS = 3.0
_KEEPALIVE_SECONDS = 60.0
_MAX_REDIRECTS = 20
_MAX_JOBS = 1000  # whose headers are kept


class OpenAiProvider:
    """Makes chat completions. It connects when first used.

    URL, headers and the fixed part of each body are built once, because the openai library spends most of
    the cost of a call on building and reading them. The library remains the reference: a test compares the
    requests and the faults of both.

    Args:
        api_key: API key. None for OPENAI_API_KEY. A base URL without a key gets a dummy key.
        base_url: Base URL. None for OPENAI_BASE_URL, or OpenAI itself if that is unset.
        timeout_seconds: Time limit of a call whose request sets none.
        max_connections: Maximum open connections. Do not make more calls at once, because waiting for a
            connection counts towards a call's time limit.
        profiles: Profiles of providers. None for those that come with Headrace.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 120.0,
        max_connections: int = 1000,
        profiles: Profiles | None = None,
    ) -> None:
        self._api_key = api_key or os.environ.get("OPENAI_API_KEY") or None
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._name = host_of(self._base_url)
        self._profile = (profiles or read_profiles()).of(self.name)
        self._encoder = RequestEncoder(self._profile)
        self._forms = RequestForms(self._encoder, self._api_key, self._base_url, self._profile.headers)
        headers = {**read_custom_headers(), **self._profile.headers}
        secrets = secrets_of(self._api_key, self._base_url, headers)
        self._faults = Faults(self._profile, FaultLog(self.name), secrets)
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._remaining: dict[str, int] = {}
        self._connection: _Connection | None = None

    @property
    def name(self) -> str:
        """Host and port of the provider."""
        return self._name or "nowhere"

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call. See ``Provider``, and ``faults`` for the error of each failure."""
        part = self._encoder.fixed_part(request)
        if not part.has_schema:
            return await self._call(request, part, usage)
        tokens = usage.input_tokens + usage.output_tokens
        try:
            return await self._call(request, part, usage)
        except (RetryableError, ItemFailedError) as error:
            if usage.input_tokens + usage.output_tokens > tokens or not refuses_schema(error):
                raise
            if request.options is not None and request.options.structured_output:
                raise with_remedy(error) from None
        self._encoder.leave_out_schema(request)
        return await self._call(request, self._encoder.fixed_part(request), usage)

    async def _call(self, request: CompletionRequest, part: FixedPart, usage: jobs_pb2.Usage) -> Completion:
        body = part.encode(request.messages)
        connection = self._open()
        usage.call_count += 1
        extra = connection.headers_of(request, part.shape.headers)
        received = await self._post(connection, body, extra, request.timeout_seconds)
        status, headers, content = received.status, received.headers, received.content
        if status == 407 and connection.proxy_url is not None:
            raise self._faults.noted(proxy_fault(self.name, status))
        response = open_envelope(read_json(content, headers.get("content-type", "")))
        tokens = read_tokens(response)
        tokens.add_to(usage)
        wrong_url = find_wrong_url(connection.endpoint, status, response, content)
        if wrong_url is not None or not 200 <= status < 300:
            error = content if response is None else response
            raise self._faults.of_response(status, headers, error, request.messages, wrong_url=wrong_url)
        is_answer = not isinstance(response, dict) or bool(response.get("choices"))
        if is_answer and not tokens.is_known:  # an error next to an answer does not make it free
            usage.cost_micros = UNKNOWN_COST_MICROS
        self._check_error(response, headers, request.messages)
        note_model(response, request.model, usage)
        if not tokens.is_known:
            usage.cost_micros = UNKNOWN_COST_MICROS
        remaining = read_remaining(headers, tokens.input_tokens + tokens.output_tokens)
        if remaining is not None:
            self._remaining[request.model] = remaining
        try:
            completion = read_completion(response, tokens, null_is_complete=self._profile.null_is_complete)
        except (RetryableError, ItemFailedError) as error:
            raise self._faults.of_answer(error, status, response, content, request.messages) from None
        if completion.text and not tokens.output_tokens:  # a count of 0 is wrong
            usage.cost_micros = UNKNOWN_COST_MICROS
        return completion

    def form_of(self, request: CompletionRequest) -> RequestForm:
        """Returns the form that a request will have. See ``Provider``."""
        return self._forms.of(request)

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the provider accepts. See ``Provider``."""
        return self._remaining.pop(model, None)

    async def close(self) -> None:
        """Closes all connections. Safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.session.close()

    def _open(self) -> "_Connection":
        if self._connection is None:
            endpoint = read_endpoint(self._api_key, self._base_url)
            self._connection = _Connection(endpoint, self._profile.headers, self._max_connections)
        return self._connection

    def _check_error(self, response: object, headers: Mapping[str, str], messages: Sequence[Message]) -> None:
        found = find_error(response)
        if found is not None:
            body = {"error": found.error}
            raise self._faults.of_response(found.status or 200, headers, body, messages)

    async def _post(
        self,
        connection: "_Connection",
        body: bytes,
        extra_headers: Mapping[str, str] | None,
        timeout_seconds: float | None,
    ) -> ReceivedBody:
        received = ReceivedBody()
        fault = await self._receive(received, connection, body, extra_headers, timeout_seconds)
        if fault is not None and not received.settle():
            raise self._faults.noted(fault)
        return received

    async def _receive(
        self,
        received: ReceivedBody,
        connection: "_Connection",
        body: bytes,
        extra_headers: Mapping[str, str] | None,
        timeout_seconds: float | None,
    ) -> RetryableError | None:
        """Makes the call. Returns the error of a connection that failed or broke."""
        seconds = timeout_seconds or self._timeout_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                connection.session.post(
                    connection.url,
                    data=body,
                    headers=extra_headers,
                    max_redirects=_MAX_REDIRECTS,
                    proxy=connection.proxy_url,
                    proxy_headers=connection.proxy_headers,
                    timeout=_timeout(seconds),
                ) as response,
            ):
                await received.read(response)
        except aiohttp.ConnectionTimeoutError as error:  # a TimeoutError too, but nothing was sent
            return (
                timeout_fault() if seconds < _TELLING_TIMEOUT_SECONDS else connection_error(error, self.name)
            )
        except TimeoutError:
            return timeout_fault()
        except aiohttp.TooManyRedirects:
            return redirect_fault()
        except (aiohttp.ClientError, OSError) as error:
            return connection_error(error, self.name)
        except ValueError:
            return unreadable_fault()
        return None


class _Connection:
    """An HTTP session with a provider, and the parts of its requests that never change."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], max_connections: int) -> None:
        all_headers = CIMultiDict(endpoint.headers)
        all_headers.update(headers)
        proxy = find_proxy(endpoint.url)
        self.endpoint = endpoint
        self._headers = all_headers
        self.url = URL(endpoint.url, encoded=endpoint.url.isascii())
        self.proxy_url = proxy.url if proxy else None
        self.proxy_headers = proxy.headers if proxy else None
        self.session = aiohttp.ClientSession(
            headers=all_headers,
            auto_decompress=False,  # a wrong content-encoding would lose the answer
            connector=aiohttp.TCPConnector(
                limit=max_connections, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=open_ssl_context()
            ),
        )

        self._added_headers: dict[tuple[str, str | None], Mapping[str, str]] = {}

    def headers_of(
        self, request: CompletionRequest, model_headers: Mapping[str, str]
    ) -> Mapping[str, str] | None:
        """Returns the headers of a request in addition to those of every one. None for none.

        Args:
            request: The request. A header of its job replaces none of the worker's.
            model_headers: Headers that the profile has for the model.
        """
        options = request.options
        if not model_headers and (options is None or not options.headers):
            return None
        key = (request.model, None if options is None else options.digest)
        if key not in self._added_headers:
            if len(self._added_headers) >= _MAX_JOBS:
                self._added_headers.clear()
            of_job = {} if options is None else options.headers
            added = CIMultiDict({name: text for name, text in of_job.items() if name not in self._headers})
            added.update(model_headers)
            self._added_headers[key] = added
        return self._added_headers[key]


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # The session's own limit would end a longer call.
    return aiohttp.ClientTimeout(total=None, sock_connect=min(seconds, _CONNECT_TIMEOUT_SECONDS))
