"""A base URL that leads nowhere differs from a model that does not exist."""

import orjson
import pytest

from headrace.kinds import JobFailedError
from services.worker.calls.provider.endpoint import read_endpoint
from services.worker.calls.provider.json_body import read_json
from services.worker.calls.provider.wrong_url import check_url


def check(base_url, status, body):
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    check_url(read_endpoint("k", base_url), status, read_json(content), content)


OPENAI = {
    "error": {
        "message": "Invalid URL (POST /chat/completions)",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
}
NO_MODEL = {"error": {"message": "The model `x` does not exist", "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("base_url", "status", "body"),
    [
        ("http://h", 404, OPENAI),
        ("http://h/v1", 404, OPENAI),
        ("http://h/v1", 404, {"error": {"message": "Unknown request URL: POST /x", "code": "unknown_url"}}),
        ("http://h", 404, {"error": {"code": "404", "message": "Resource not found"}}),
        ("http://h", 404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}),
        ("http://h/v1", 404, {"detail": "Not Found"}),
        ("http://h/v1", 404, {"message": "no Route matched with those values"}),
        ("http://h/v1", 404, b"404 page not found"),
        ("http://h/v1", 404, b""),
        ("http://h", 405, {"detail": "Method Not Allowed"}),
        ("http://h", 200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
        ("http://h", 200, b"<!doctype html><title>Chat</title>"),
    ],
)
def test_a_wrong_url_is_named(base_url, status, body):
    with pytest.raises(JobFailedError) as raised:
        check(base_url, status, body)
    assert raised.value.reason == "PROVIDER_URL_WRONG"
    assert ("/v1" in raised.value.message) == (base_url == "http://h")


@pytest.mark.parametrize(
    ("base_url", "status", "body"),
    [
        ("http://h/v1", 404, NO_MODEL),
        ("http://h", 404, NO_MODEL),
        ("http://h", 404, {"error": {"message": "x", "code": "model_not_found"}}),
        ("http://h/v1", 404, {"error": {"message": "model: x", "type": "not_found_error"}}),
        ("http://h/v1", 404, {"error": {"message": "No endpoints found for x/y.", "code": 404}}),
        ("http://h/openai/deployments/d", 404, {"error": {"code": "DeploymentNotFound", "message": "x"}}),
        ("http://h/v1", 404, [{"error": {"code": 404, "message": "models/x is not found"}}]),
        ("http://h/v1", 200, b"<!doctype html><title>Please wait</title>"),
        ("http://h", 200, {"choices": [{"message": {"content": "invalid URL"}}]}),
        ("http://h", 400, OPENAI),
        ("http://h", 500, b"<h1>unknown path</h1>"),
    ],
)
def test_any_other_response_says_nothing_of_the_url(base_url, status, body):
    check(base_url, status, body)
