"""Failures of a connection are told apart, and no message holds a secret."""

import asyncio
import socket
import ssl
from dataclasses import replace

import aiohttp
import pytest

from headrace.kinds import JobFailedError, Message, RetryableError
from services.worker.calls.provider import CompletionRequest, OpenAiProvider
from services.worker.calls.provider import openai_provider as module
from services.worker.calls.provider.faults import ProviderDownError
from services.worker.calls.provider.proxies import Proxy
from tests.unit.worker.calls.provider.broken_servers import (
    CERTIFICATE,
    closing_at_once,
    response,
    sending,
    serving,
)

ASK = CompletionRequest("m", [Message("user", "x")])
ANSWER = '{"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}]}'


async def fault_of(base_url, usage):
    provider = OpenAiProvider(api_key="sk-secret", base_url=base_url, timeout_seconds=5.0)
    try:
        with pytest.raises(RetryableError) as raised:
            await provider.complete(ASK, usage)
    finally:
        await provider.close()
    assert raised.value.reason == "PROVIDER_UNREACHABLE"
    assert isinstance(raised.value, ProviderDownError)
    assert raised.value.is_reachable == ("broke" in raised.value.message)
    assert "secret" not in raised.value.message
    return raised.value.message


@pytest.fixture
def through(monkeypatch):
    """Sends calls through a proxy at a port of loopback, which never gets one otherwise."""

    def use(port):
        proxy = Proxy(f"http://127.0.0.1:{port}", {"Proxy-Authorization": "Basic secret"})
        monkeypatch.setattr(module, "find_proxy", lambda url: proxy)

    return use


async def test_a_certificate_that_is_not_trusted_is_named(monkeypatch, usage):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with serving(sending(response(ANSWER)), tls=True) as port:
        message = await fault_of(f"https://127.0.0.1:{port}/v1", usage)
    assert f"the certificate of 127.0.0.1:{port} is not trusted" in message
    assert "SSL_CERT_FILE" in message


async def test_a_certificate_of_another_host_is_named(monkeypatch, usage):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with serving(sending(response(ANSWER)), tls=True) as port:
        message = await fault_of(f"https://localhost:{port}/v1", usage)
    assert "is not trusted" in message


async def test_a_certificate_of_the_environment_is_trusted(monkeypatch, usage):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with serving(sending(response(ANSWER)), tls=True) as port:
        provider = OpenAiProvider(api_key="k", base_url=f"https://127.0.0.1:{port}/v1")
        assert (await provider.complete(ASK, usage)).text == "Sales"
        await provider.close()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_certificates_that_cannot_be_read_are_named_before_any_call(
    monkeypatch, tmp_path, usage, content
):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(JobFailedError) as raised:
        await OpenAiProvider(api_key="k", base_url="https://127.0.0.1:9/v1").complete(ASK, usage)
    assert raised.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert "SSL_CERT_FILE" in raised.value.message
    assert usage.call_count == 0


async def test_a_server_without_tls_is_told_from_one_without_trust(usage):
    async def speak_plainly(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(speak_plainly) as port:
        message = await fault_of(f"https://127.0.0.1:{port}/v1", usage)
    assert "TLS handshake" in message


async def test_an_unknown_host_is_named(monkeypatch, usage):
    async def look_up(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    assert "no such host: api.nowhere.test" in await fault_of("https://api.nowhere.test/v1", usage)


async def test_a_server_that_refuses_is_named(usage):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        message = await fault_of(f"http://127.0.0.1:{port}/v1", usage)
    assert f"127.0.0.1:{port} refused the connection" in message


async def test_a_connection_that_breaks_is_not_said_to_be_refused(usage):
    async with serving(closing_at_once) as port:
        message = await fault_of(f"http://127.0.0.1:{port}/v1", usage)
    assert "broke" in message


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://api.example.com/v1"])
@pytest.mark.parametrize("status", ["407 Proxy Authentication Required"])
async def test_a_proxy_that_refuses_is_named(through, usage, url, status):
    async with serving(sending(response("", status))) as port:
        through(port)
        message = await fault_of(url, usage)
    assert "the proxy refused the connection to api.example.com (HTTP 407)" in message


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway", "503 Busy"])
async def test_a_proxy_that_refuses_a_tunnel_is_named_with_its_status(through, usage, status):
    async with serving(sending(response("", status))) as port:
        through(port)
        message = await fault_of("https://api.example.com/v1", usage)
    assert f"the proxy refused the connection to api.example.com (HTTP {status[:3]})" in message


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://api.example.com/v1"])
async def test_a_proxy_that_does_not_listen_is_named(through, usage, url):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        through(free.getsockname()[1])
        assert "the proxy cannot be reached" in await fault_of(url, usage)


async def test_a_call_goes_through_a_proxy(through, usage):
    seen = []

    async def proxy(reader, writer):
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(response(ANSWER).encode())

    async with serving(proxy) as port:
        through(port)
        provider = OpenAiProvider(api_key="k", base_url="http://api.example.com/v1")
        assert (await provider.complete(ASK, usage)).text == "Sales"
        await provider.close()
    assert seen[0].startswith("POST http://api.example.com/v1/chat/completions HTTP/1.1")


async def test_loopback_is_called_directly_although_a_proxy_is_set(monkeypatch, provider, usage):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert (await provider.complete(ASK, usage)).text


def test_the_test_certificate_is_readable():
    assert ssl.create_default_context(cafile=str(CERTIFICATE)).cert_store_stats()["x509"]


class NeverAccepting:
    """Stands for a request to a host that does not accept the connection in time."""

    def __init__(self, *args, **kwargs) -> None:
        pass

    async def __aenter__(self):
        raise aiohttp.ConnectionTimeoutError

    async def __aexit__(self, *args):
        pass


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(0.001, "PROVIDER_TIMEOUT"), (2.9, "PROVIDER_TIMEOUT"), (3.0, "PROVIDER_UNREACHABLE")],
)
async def test_a_short_timeout_of_a_call_does_not_show_that_the_host_is_unreachable(
    monkeypatch, usage, seconds, reason
):
    monkeypatch.setattr(aiohttp.ClientSession, "post", NeverAccepting)
    provider = OpenAiProvider(api_key="k", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(RetryableError) as raised:
        await provider.complete(replace(ASK, timeout_seconds=seconds), usage)
    await provider.close()
    assert raised.value.reason == reason
    assert isinstance(raised.value, ProviderDownError) == (reason == "PROVIDER_UNREACHABLE")
