"""Error responses as providers and proxies send them, and the consequence of each."""

import json

import pytest

from services.worker.calls.provider.error_body import read_error_body
from services.worker.calls.provider.profiles import read_profiles

KEY, MODEL = "PROVIDER_KEY_REFUSED", "MODEL_UNKNOWN"
QUOTA, URL = "PROVIDER_QUOTA_EXHAUSTED", "PROVIDER_URL_WRONG"
RETRY, OVERLOAD, OUTAGE, ITEM = "retry", "overload", "outage", "item_fails"


def openai_error(message="", type=None, code=None):
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def flat_error(message, type, code):
    return {"object": "error", "message": message, "type": type, "param": None, "code": code}


def google_error(code, message, status):
    return [{"error": {"code": code, "message": message, "status": status}}]


def anthropic_error(type, message):
    return {"type": "error", "error": {"type": type, "message": message}}


def consequence(profile, status, body):
    encoded = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    rule = read_profiles().by_name[profile].judge(status, read_error_body(encoded))
    return rule.reason or rule.action


@pytest.mark.parametrize("profile", sorted(read_profiles().by_name))
def test_no_profile_retries_a_request_that_the_server_does_not_implement(profile):
    assert consequence(profile, 501, "") == ITEM
    assert consequence(profile, 424, "") == RETRY
    assert consequence(profile, 401, "") == KEY
    assert consequence(profile, 402, "") == QUOTA


@pytest.mark.parametrize(
    "body",
    [
        '{"detail": "Not Found"}',
        "<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
        "<h1>no</h1>",
        "404 page not found",
        "",
        "default backend - 404",
        openai_error("Invalid URL (POST /v1/chat)", "invalid_request_error"),
        openai_error("Unknown request URL: POST /chat/completions", "invalid_request_error", "unknown_url"),
        openai_error("File Not Found", "not_found_error", 404),
        openai_error("Resource not found", None, "404"),
        anthropic_error("not_found_error", "Not Found"),
        {"error": "Not Found", "path": "/chat/completions", "status": 404},
        {"message": "no Route matched with those values"},
        "Cannot POST /chat/completions",
        "<title>404 | The home of open models</title>",
    ],
)
def test_a_404_of_a_url_is_told_from_its_form_and_words(body):
    assert consequence("default", 404, body) == URL


@pytest.mark.parametrize(
    "body",
    [
        openai_error("The model `x` does not exist or you do not have access", None, "model_not_found"),
        openai_error("x is not here", "invalid_request_error"),
        openai_error("The API deployment for this resource does not exist.", None, "DeploymentNotFound"),
        flat_error("The model `x` does not exist.", "NotFoundError", 404),
        google_error(404, "models/x is not found for API version v1main", "NOT_FOUND"),
        anthropic_error("not_found_error", "model: claude-x"),
        openai_error('model "x" not found, try pulling it first', "api_error"),
        {"error": 'model "x" not found, try pulling it first'},
        openai_error("No endpoints found for x.", None, 404),
        {"detail": "model x is not loaded"},
        'model "x" is not served here',
    ],
)
def test_a_404_of_a_model_is_told_from_its_form_and_words(body):
    assert consequence("default", 404, body) == MODEL


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, openai_error("", "insufficient_quota", "insufficient_quota"), QUOTA),
        (429, openai_error("", "insufficient_quota"), QUOTA),
        (429, openai_error("", "requests", "rate_limit_exceeded"), OVERLOAD),
        (400, openai_error("", "billing_error", "billing_hard_limit_reached"), QUOTA),
        (403, openai_error("", None, "billing_not_active"), QUOTA),
        (402, openai_error("Insufficient Balance", "unknown_error"), QUOTA),
        (403, openai_error("", None, "insufficient_balance"), QUOTA),
        (400, openai_error("", None, "rate_limit_exceeded"), OVERLOAD),
        (403, openai_error("", None, "rateLimitExceeded"), OVERLOAD),
        (503, openai_error("The engine is currently overloaded, please try again later"), OVERLOAD),
        (503, openai_error("Slow down"), OVERLOAD),
        (503, "upstream: too many requests", OVERLOAD),
        (503, {"error": "queue is full"}, OVERLOAD),
        (503, openai_error("x is currently over capacity"), OVERLOAD),
        (503, openai_error("Loading model", "unavailable_error", 503), OUTAGE),
        (400, openai_error("", None, "model_not_found"), MODEL),
        (403, openai_error("Project has no access", None, "model_not_found"), MODEL),
        (410, openai_error("The model x has been shut down"), MODEL),
        (400, openai_error("Model Not Exist", "invalid_request_error"), MODEL),
        (400, openai_error("x is not a valid model ID", None, 400), MODEL),
        (400, openai_error("Invalid model name passed in model=x"), MODEL),
        (422, {"detail": "The model x does not exist"}, MODEL),
        (400, openai_error("", None, "context_length_exceeded"), ITEM),
        (400, openai_error("This model's maximum context length is 8192 tokens"), ITEM),
        (422, {"detail": [{"loc": ["body", "temperature"], "msg": "must be under 2"}]}, ITEM),
        (403, openai_error("", None, "content_filter"), ITEM),
        (403, "<title>Attention Required</title>", KEY),
        (403, openai_error("", None, "unsupported_country_region_territory"), KEY),
        (400, openai_error("Incorrect API key provided: x"), KEY),
        (400, openai_error("", None, "invalid_api_key"), KEY),
        (401, "", KEY),
        (405, "<title>405 Not Allowed</title>", URL),
        (405, {"detail": "Method Not Allowed"}, URL),
        (400, "<title>400 The plain HTTP request was sent to HTTPS port</title>", URL),
        (400, "Client sent an HTTP request to an HTTPS server.", URL),
    ],
)
def test_codes_and_words_come_before_the_status(status, body, expected):
    assert consequence("default", status, body) == expected


@pytest.mark.parametrize(
    ("profile", "status", "body", "expected"),
    [
        ("openai", 429, openai_error("Request too large for gpt-x on tokens per min"), ITEM),
        ("openai", 429, openai_error("Rate limit reached for gpt-x", "tokens"), OVERLOAD),
        ("openai", 500, openai_error("The server is overloaded"), OVERLOAD),
        ("openai", 500, openai_error("The server had an error", "server_error"), RETRY),
        ("openai", 401, openai_error("Incorrect API key provided", None, "invalid_api_key"), KEY),
        ("azure", 404, openai_error("does not exist", None, "DeploymentNotFound"), MODEL),
        ("azure", 404, openai_error("Resource not found", None, "404"), URL),
        ("azure", 400, openai_error("filtered", None, "content_filter"), ITEM),
        ("azure", 400, openai_error("", None, "OperationNotSupported"), URL),
        ("azure", 429, openai_error("", None, "NoCapacity"), OVERLOAD),
        ("azure", 401, {"statusCode": 401, "message": "Access denied"}, KEY),
        ("azure", 424, openai_error("", None, "FailedDependency"), RETRY),
        ("openrouter", 402, openai_error("Insufficient credits", None, 402), QUOTA),
        ("openrouter", 403, openai_error("Input was flagged", None, 403), ITEM),
        ("openrouter", 403, openai_error("Key limit exceeded", None, 403), QUOTA),
        ("openrouter", 404, openai_error("No endpoints found for x", None, 404), MODEL),
        ("openrouter", 502, openai_error("Provider returned error", None, 502), RETRY),
        ("openrouter", 503, openai_error("No instances available", None, 503), OVERLOAD),
        ("anthropic", 529, anthropic_error("overloaded_error", "Overloaded"), OVERLOAD),
        ("anthropic", 500, anthropic_error("overloaded_error", "Overloaded"), OVERLOAD),
        ("anthropic", 400, anthropic_error("invalid_request_error", "Your credit balance is too low"), QUOTA),
        ("anthropic", 404, anthropic_error("not_found_error", "model: x"), MODEL),
        ("anthropic", 413, anthropic_error("request_too_large", "too large"), ITEM),
        ("anthropic", 401, anthropic_error("authentication_error", "invalid x-api-key"), KEY),
        ("google", 400, google_error(400, "API key not valid. Please pass one.", "INVALID_ARGUMENT"), KEY),
        ("google", 400, google_error(400, "too long", "INVALID_ARGUMENT"), ITEM),
        ("google", 429, google_error(429, "You exceeded your current quota", "RESOURCE_EXHAUSTED"), OVERLOAD),
        ("google", 429, google_error(429, "quota metric x, limit: 0", "RESOURCE_EXHAUSTED"), QUOTA),
        ("google", 429, google_error(429, "quota metric x, limit: 15", "RESOURCE_EXHAUSTED"), OVERLOAD),
        ("google", 503, google_error(503, "The model is overloaded", "UNAVAILABLE"), OVERLOAD),
        ("google", 404, google_error(404, "models/x is not found", "NOT_FOUND"), MODEL),
        ("google", 400, google_error(400, "Enable billing", "FAILED_PRECONDITION"), QUOTA),
        ("google", 504, google_error(504, "late", "DEADLINE_EXCEEDED"), RETRY),
        ("groq", 498, openai_error("Flex tier capacity exceeded"), OVERLOAD),
        ("groq", 413, openai_error("Request too large", "tokens", "rate_limit_exceeded"), ITEM),
        ("groq", 429, openai_error("Rate limit reached", "tokens", "rate_limit_exceeded"), OVERLOAD),
        ("groq", 400, openai_error("decommissioned", None, "model_decommissioned"), MODEL),
        ("groq", 404, openai_error("Unknown request URL: POST /x", None, "unknown_url"), URL),
        ("groq", 400, openai_error("", None, "blocked_api_access"), QUOTA),
        ("vllm", 404, flat_error("The model `x` does not exist.", "NotFoundError", 404), MODEL),
        ("vllm", 404, {"error": {"message": "Not Found", "type": "Not Found", "code": 404}}, URL),
        ("vllm", 500, "EngineDeadError", OUTAGE),
        ("vllm", 400, flat_error("maximum context length is 4096", "BadRequestError", 400), ITEM),
        ("vllm", 401, {"error": "Unauthorized"}, KEY),
        ("llama_cpp", 503, openai_error("Loading model", "unavailable_error", 503), OUTAGE),
        ("llama_cpp", 503, openai_error("no slot available", "unavailable_error", 503), OVERLOAD),
        ("llama_cpp", 404, openai_error("File Not Found", "not_found_error", 404), URL),
        ("llama_cpp", 400, openai_error("too long", "exceed_context_size_error", 400), ITEM),
        ("llama_cpp", 500, openai_error("the request exceeds the available context size", None, 500), ITEM),
        ("llama_cpp", 501, openai_error("no grammar", "not_supported_error", 501), ITEM),
        ("ollama", 404, openai_error('model "x" not found, try pulling it first', "api_error"), MODEL),
        ("ollama", 404, "404 page not found", URL),
        ("ollama", 503, openai_error("server busy, maximum pending requests exceeded"), OVERLOAD),
        ("ollama", 500, openai_error("llama runner process has terminated"), RETRY),
        ("ollama", 400, openai_error("model 'x' not found"), MODEL),
        ("litellm", 400, openai_error("Budget has been exceeded!", "budget_exceeded", "400"), QUOTA),
        ("litellm", 400, openai_error("/chat: Invalid model name passed in model=x"), MODEL),
        ("litellm", 401, openai_error("key not allowed to access model", "key_model_access_denied"), MODEL),
        ("litellm", 429, openai_error("No deployments available for selected model"), OVERLOAD),
        ("litellm", 400, openai_error("litellm.ContextWindowExceededError: x"), ITEM),
        ("litellm", 500, openai_error("litellm.AuthenticationError: x"), KEY),
        ("litellm", 401, openai_error("Authentication Error", "auth_error", "401"), KEY),
    ],
)
def test_a_provider_is_understood_in_its_own_words(profile, status, body, expected):
    assert consequence(profile, status, body) == expected


@pytest.mark.parametrize(
    ("host", "profile"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com:443", "openai"),
        ("eu.api.openai.com", "openai"),
        ("my-resource.openai.azure.com", "azure"),
        ("openrouter.ai", "openrouter"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "google"),
        ("us-central1-aiplatform.googleapis.com", "google"),
        ("api.groq.com", "groq"),
        ("vllm.models.svc:8000", "vllm"),
        ("127.0.0.1:8080", "llama_cpp"),
        ("10.0.0.7:11434", "ollama"),
        ("litellm:4000", "litellm"),
        ("127.0.0.1:39001", "default"),
        ("api.openai.com.example.com", "default"),
        ("[::1]:8001", "default"),
        ("nowhere", "default"),
    ],
)
def test_the_host_selects_the_profile(host, profile):
    assert read_profiles().of(host).name == profile
