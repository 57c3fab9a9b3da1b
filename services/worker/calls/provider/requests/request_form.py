"""Describes everything in a request that may change its answer, beyond its model, messages and limits."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from headrace.kinds import JobFailedError
from services.worker.calls.provider.endpoint import read_endpoint
from services.worker.calls.provider.profiles import RequestShape
from services.worker.calls.provider.provider import CompletionRequest, RequestForm
from services.worker.calls.provider.requests.request_body import RequestEncoder

_MAX_FORMS = 1024
# Fields that decide how a call is served, not its answer.
_SERVING_FIELDS = frozenset({"service_tier"})
_DEFAULT = RequestShape()
_DEFAULT_PATH = "/v1/chat/completions"
# Headers that every request has, and those that identify the caller.
_NEUTRAL_HEADER = re.compile(
    r"accept|content-type|user-agent|openai-organization|openai-project|.*(auth|cookie|key|secret|token).*"
)

_Key = tuple[str, str | None, bool]


class RequestForms:
    """Forms of the requests to one provider. Each is described once for a model and the options of a job.

    Args:
        encoder: Encodes the requests.
        api_key: API key, which is not part of a form.
        base_url: Base URL. Its path and query may select a deployment, or a server behind a gateway.
        profile_headers: Headers of the profile.
    """

    def __init__(
        self,
        encoder: RequestEncoder,
        api_key: str | None,
        base_url: str | None,
        profile_headers: Mapping[str, str],
    ) -> None:
        self._encoder = encoder
        self._endpoint = (api_key, base_url)
        self._profile_headers = profile_headers
        self._described: OrderedDict[_Key, RequestForm] = OrderedDict()

    def of(self, request: CompletionRequest) -> RequestForm:
        """Returns the form of a request."""
        options = request.options
        part = self._encoder.fixed_part(request)
        key = (request.model, None if options is None else options.digest, part.has_schema)
        form = self._described.get(key)
        if form is None:
            headers = {} if options is None else options.headers
            form = self._described[key] = self._describe(part.shape, headers)
            if len(self._described) > _MAX_FORMS:
                self._described.popitem(last=False)
        return form

    def _describe(self, shape: RequestShape, headers: Mapping[str, str]) -> RequestForm:
        tier = shape.extra_body.get("service_tier")
        body = {name: value for name, value in shape.extra_body.items() if name not in _SERVING_FIELDS}
        parts: dict[str, Any] = {
            "body": body,
            "headers": {name.lower(): value for name, value in [*headers.items(), *shape.headers.items()]},
            **self._describe_endpoint(),
        }
        for name in ("max_tokens_field", "system_role"):
            if getattr(shape, name) != getattr(_DEFAULT, name):
                parts[name] = getattr(shape, name)
        parts = {name: part for name, part in parts.items() if part}
        content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        key = hashlib.sha256(content).hexdigest() if parts else ""
        return RequestForm(key, tier if isinstance(tier, str) else None)

    def _describe_endpoint(self) -> dict[str, Any]:
        try:
            endpoint = read_endpoint(*self._endpoint)
        except JobFailedError:  # no call will be made
            return {}
        parts = urlsplit(endpoint.url)
        place = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {**endpoint.headers, **self._profile_headers}
        return {
            "place": "" if place == _DEFAULT_PATH else place,
            "worker_headers": {
                name.lower(): value
                for name, value in headers.items()
                if not _NEUTRAL_HEADER.fullmatch(name.lower())
            },
        }
