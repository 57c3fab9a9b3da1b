"""Leaks of a process are found, and growth of another process is ignored."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.chaos.census import MB, find_leaks, take_census

THIS = SimpleNamespace(name="this", process=SimpleNamespace(pid=os.getpid()))
NO_PORT = 0


@pytest.fixture
def opened():
    with ExitStack() as stack:
        yield stack


def census():
    return take_census([THIS], NO_PORT)


def leaks_of(before):
    return " ".join(find_leaks(before, census()))


def test_nothing_leaks_if_nothing_was_opened():
    before = census()
    assert leaks_of(before) == ""


def test_threads_that_stay_are_found(opened):
    before, over = census(), threading.Event()
    opened.callback(over.set)
    for _ in range(20):
        threading.Thread(target=over.wait, daemon=True).start()
    assert "this" in leaks_of(before)
    assert "threads" in leaks_of(before)


def test_files_that_stay_open_are_found(opened):
    before = census()
    for _ in range(20):
        opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
    assert "files" in leaks_of(before)


def test_connections_to_others_are_found_and_those_to_itself_are_not(opened, free_peer):
    before = census()
    for _ in range(20):
        opened.enter_context(socket.create_connection(("127.0.0.1", free_peer), timeout=5))
    assert "connections" in leaks_of(before)


def test_memory_that_was_not_released_is_found_only_in_the_same_process():
    before = census()["this"]
    grown = replace(before, memory_bytes=before.memory_bytes * 2 + 100 * MB)
    assert "MB" in " ".join(find_leaks({"this": before}, {"this": grown}))
    assert find_leaks({"this": before}, {"this": replace(grown, pid=before.pid + 1)}) == []


@pytest.fixture
def free_peer():
    """A port at which another process accepts connections."""
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0), backlog=64);"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        yield int(peer.stdout.readline())
        peer.stdin.close()
