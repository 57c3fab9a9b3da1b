"""Proxies of the environment: which connections go through one, and an error that names it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from headrace import Client, UnavailableError
from headrace._transport.proxies import Proxy, find_proxy

NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy", "no_grpc_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Sets variables, and removes those of the machine."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda **variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


class RecordingProxy:
    """Refuses every CONNECT, and keeps its first line."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readline()).decode(errors="replace").strip())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


@pytest.fixture
async def proxy():
    async with RecordingProxy().serving() as proxy:
        yield proxy


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "LOCALHOST.:50051",
        "hub.localhost:50051",
        "127.0.0.1:50051",
        "127.8.9.10",
        "127.1:50051",
        "[::1]:50051",
        "::1",
        "[::ffff:127.0.0.1]:50051",
        "0.0.0.0:50051",
        "dns:localhost:50051",
        "dns:///localhost:50051",
        "dns://10.0.0.1/127.0.0.1:50051",
        "ipv4:127.0.0.1:50051,127.0.0.2:50051",
        "ipv6:[::1]:50051",
        "passthrough:///127.0.0.1:50051",
        "unix:/run/headrace.sock",
        "unix:///run/headrace.sock",
        "unix-abstract:headrace",
    ],
)
def test_loopback_never_goes_through_a_proxy(environment, target):
    environment(https_proxy="http://proxy:3128", grpc_proxy="http://proxy:3128")
    assert find_proxy(target) is None


@pytest.mark.parametrize("target", ["gateway:50051", "dns:///gateway.example.com", "10.1.2.3:50051"])
@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_another_target_goes_through_the_proxy_that_grpc_reads(environment, target, variable):
    environment(**{variable: "http://name:secret@proxy:3128/"})
    assert find_proxy(target) == Proxy(variable, "proxy:3128")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_variable_that_grpc_does_not_read_sets_no_proxy(environment, variable):
    environment(**{variable: "http://proxy:3128"})
    assert find_proxy("gateway:50051") is None


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY", "no_grpc_proxy"])
@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("gateway:50051", "*"),
        ("gateway:50051", "other, gateway"),
        ("gateway:50051", "GATEWAY:50051"),
        ("dns:///hub.example.com:50051", ".example.com"),
        ("dns:///hub.example.com:50051", "*.example.com"),
        ("hub.example.com", "example.com"),
        ("example.com:50051", ".example.com"),
        ("example.com:50051", "*.example.com"),
        ("10.1.2.3:50051", "10.0.0.0/8"),
        ("10.1.2.3:50051", "10.1.2.3"),
        ("[fd00::1]:50051", "fd00::/8"),
    ],
)
def test_a_target_can_be_excluded_in_either_spelling(environment, variable, target, value):
    environment(**{"https_proxy": "http://proxy:3128", variable: value})
    assert find_proxy(target) is None


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("gateway:50051", "gate"),
        ("badexample.com:50051", "example.com"),
        ("10.1.2.3:50051", "10.2.0.0/16"),
        ("10.1.2.3:50051", "nonsense/99,,"),
        ("ipv4:127.0.0.1:50051,10.1.2.3:50051", "example.com"),
    ],
)
def test_a_target_that_is_not_excluded_keeps_its_proxy(environment, target, value):
    environment(https_proxy="proxy:3128", NO_PROXY=value)
    assert find_proxy(target) == Proxy("https_proxy", "proxy:3128")


async def test_calls_to_loopback_never_reach_the_proxy(environment, proxy, gateway):
    names = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "all_proxy")
    environment(**dict.fromkeys(names, f"http://127.0.0.1:{proxy.port}"))
    async with Client(gateway.target, timeout=20) as client:
        assert await client.kinds() == []
    assert proxy.requests == []


async def test_an_excluded_target_never_reaches_the_proxy(environment, proxy):
    environment(https_proxy=f"http://127.0.0.1:{proxy.port}", NO_PROXY="gateway.invalid")
    async with Client("gateway.invalid:50051", timeout=1) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.kinds()
    assert "proxy" not in caught.value.message
    assert proxy.requests == []


async def test_an_error_behind_a_proxy_names_it_without_its_password(environment, proxy):
    environment(https_proxy=f"http://name:secret@127.0.0.1:{proxy.port}")
    async with Client("gateway.invalid:50051", timeout=1) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.kinds()
    assert f"through the proxy 127.0.0.1:{proxy.port} of https_proxy" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert proxy.requests[0].startswith("CONNECT gateway.invalid:50051")
