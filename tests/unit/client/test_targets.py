import pytest

from headrace import Client, InvalidArgumentError, SyncClient


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("localhost:50051", "localhost:50051"),
        (" gateway:1 \n", "gateway:1"),
        ("gateway", "gateway:50051"),
        ("gateway.jobs.svc.cluster.local.", "gateway.jobs.svc.cluster.local.:50051"),
        ("my_host:65535", "my_host:65535"),
        ("10.0.0.1", "10.0.0.1:50051"),
        ("::1", "[::1]:50051"),
        ("[::1]", "[::1]:50051"),
        ("[fe80::1%eth0]:7", "[fe80::1%eth0]:7"),
        ("http://gateway:8080", "gateway:8080"),
        ("HTTP://gateway/", "gateway:50051"),
        ("grpc://gateway:8080", "gateway:8080"),
        ("dns:///gateway:50051", "dns:///gateway:50051"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        ("unix:/run/headrace.sock", "unix:/run/headrace.sock"),
        ("bücher.example:1", "bücher.example:1"),
    ],
)
def test_an_address_is_completed(given, target):
    assert Client(given).target == target


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a b:1", "blanks"),
        ("host:1\x1b[2J", "control characters"),
        ("https://gateway:443", "TLS"),
        ("ftp://gateway", "unknown scheme"),
        ("gateway:50051/jobs", "without a user or a path"),
        ("http://gateway:50051/jobs", "without a user or a path"),
        ("http://user:secret@gateway", "without a user or a path"),
        ("gateway:", "a port from 1 to 65535"),
        ("gateway:0", "a port from 1 to 65535"),
        ("gateway:99999", "a port from 1 to 65535"),
        ("gateway:grpc", "a port from 1 to 65535"),
        ("gateway:50051:50052", "a port from 1 to 65535"),
        (":50051", "host name"),
        ("-gateway:50051", "host name"),
        ("[gateway]:50051", "[::1]:50051"),
        ("[::1:50051", "host name"),
    ],
)
def test_an_address_that_names_no_gateway_is_refused_with_what_is_wanted(given, expected):
    for make in (Client, SyncClient):
        with pytest.raises(InvalidArgumentError) as error:
            make(given)
        assert expected in error.value.message
        assert error.value.message.startswith("target ")
        assert "secret" not in error.value.message
        assert "\n" not in error.value.message


def test_the_variable_is_checked_and_named(monkeypatch):
    monkeypatch.setenv("HEADRACE_TARGET", "gateway")
    assert Client().target == "gateway:50051"
    monkeypatch.setenv("HEADRACE_TARGET", "https://gateway")
    with pytest.raises(InvalidArgumentError, match=r"^INVALID_FIELD: HEADRACE_TARGET asks for TLS"):
        Client()
    assert Client("other:1").target == "other:1"
    for unset in ("", " "):
        monkeypatch.setenv("HEADRACE_TARGET", unset)
        assert Client().target == "localhost:50051"
