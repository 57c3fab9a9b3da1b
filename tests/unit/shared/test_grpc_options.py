"""Options of gRPC's channels and servers: it ignores those that it does not know, and says nothing."""

import re
from pathlib import Path

import pytest
from grpc._cython import cygrpc

_ROOT = Path(__file__).parents[3]
_OPTION = re.compile(r"""\(\s*"(grpc\.[a-z0-9_.]+)",\s""")


def options_set_in(*folders: str) -> list[tuple[str, str]]:
    """Returns files and the options that they set."""
    return [
        (str(path.relative_to(_ROOT)), name)
        for folder in folders
        for path in sorted((_ROOT / folder).rglob("*.py"))
        for name in _OPTION.findall(path.read_text())
    ]


OPTIONS = options_set_in("services", "clients/python/headrace", "deploy")


@pytest.fixture(scope="module")
def library() -> bytes:
    return Path(cygrpc.__file__).read_bytes()


@pytest.mark.parametrize(("file", "name"), OPTIONS)
def test_grpc_knows_an_option_that_is_set(library: bytes, file: str, name: str) -> None:
    assert name.encode() + b"\0" in library, f"{file} sets {name}, which gRPC does not know"


def test_those_of_server_and_clients_are_looked_at() -> None:
    files = {file for file, _ in OPTIONS}
    assert {"services/shared/serving/rpc_server.py", "services/shared/serving/rpc_client.py"} <= files
    assert "clients/python/headrace/_transport/channels.py" in files
