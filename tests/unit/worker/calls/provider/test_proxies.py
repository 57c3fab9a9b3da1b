"""The proxy of the environment is used as by the openai library, and never for loopback."""

import os
import ssl

import httpx2
import pytest

from headrace.kinds import JobFailedError
from services.worker.calls.provider.proxies import find_proxy

URL = "https://api.example.com:8443/v1/chat/completions"
PROXY = "http://proxy:3128"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificates, which would be read for every case


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


CASES = [
    (URL, {}, None),
    (URL, {"HTTPS_PROXY": PROXY}, PROXY),
    (URL, {"https_proxy": PROXY}, PROXY),
    (URL, {"HTTP_PROXY": PROXY}, None),
    (URL, {"ALL_PROXY": PROXY}, PROXY),
    (URL, {"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, PROXY),
    (URL, {"HTTPS_PROXY": "proxy:3128"}, PROXY),
    (URL, {"HTTPS_PROXY": ""}, None),
    ("http://api.example.com/v1", {"HTTP_PROXY": PROXY}, PROXY),
    ("http://api.example.com/v1", {"HTTPS_PROXY": PROXY}, None),
    *[
        (URL, {"HTTPS_PROXY": PROXY, "NO_PROXY": excluded}, proxy)
        for excluded, proxy in [
            ("*", None),
            ("example.com", None),
            ("other.com, example.com", None),
            (".example.com", None),
            ("*.example.com", None),
            ("api.example.com", None),
            ("API.Example.com", None),
            ("api.example.com:8443", None),
            ("https://api.example.com", None),
            ("api.example.com:443", PROXY),
            ("http://api.example.com", PROXY),
            ("https://example.com", PROXY),
            ("ample.com", PROXY),
            ("10.0.0.0/8", PROXY),
            (",,", PROXY),
        ]
    ],
    *[
        ("http://10.1.2.3:8000/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": excluded}, proxy)
        for excluded, proxy in [
            ("10.0.0.0/8", None),
            ("10.1.2.3", None),
            ("10.1.2.3:8000", None),
            ("10.1.2.4", PROXY),
            ("192.168.0.0/16", PROXY),
            ("10.0.0.0/99", PROXY),
        ]
    ],
    ("http://[fd00::1]:8000/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "fd00::1"}, None),
    ("http://[fd00::1]:8000/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "[fd00::1]"}, None),
    ("http://[fd00::1]:8000/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, None),
]


@pytest.mark.parametrize(("url", "environment", "proxy"), CASES)
def test_the_proxy_is_the_one_that_the_openai_library_uses(monkeypatch, url, environment, proxy):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(url)
    assert (found.url if found else None) == proxy
    client = httpx2.AsyncClient(verify=NO_TLS)
    library = client._transport_for_url(httpx2.URL(url))
    assert (library is not client._transport) == (proxy is not None)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9:1",
        "127.1:1",
        "[::1]:1",
        "localhost.",
        "0.0.0.0:1",
        "[::ffff:127.0.0.1]:1",
    ],
)
def test_loopback_never_goes_through_a_proxy(monkeypatch, host):
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert find_proxy(f"http://{host}/v1") is None


def test_the_credentials_of_a_proxy_go_into_a_header(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:wo%40rd@proxy:3128")
    assert find_proxy(URL) == (PROXY, {"Proxy-Authorization": "Basic dXNlcjp3b0ByZA=="})


@pytest.mark.parametrize(
    "proxy", ["socks5://user:secret@p:1", "http://", "http://p:secret", "ftp://p", "http://[::1"]
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(JobFailedError) as raised:
        find_proxy(URL)
    assert raised.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert "HTTPS_PROXY" in raised.value.message
    assert "secret" not in raised.value.message
