"""Spare ports that stay the same from start to start."""

import socket
from pathlib import Path

import pytest

from deploy.local.ports import PortBook, is_free, spare_port


def test_a_port_is_remembered_by_whoever_reads_the_same_book(tmp_path: Path) -> None:
    port = PortBook(tmp_path / "ports.json").port("redis")
    assert PortBook(tmp_path / "ports.json").port("redis") == port


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    ports = [book.port(str(number)) for number in range(50)]
    assert len(set(ports)) == 50


def test_a_port_that_another_program_took_is_chosen_anew(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    taken = book.port("redis")
    with socket.create_server(("127.0.0.1", taken)):
        assert not is_free(taken)
        new = book.free_port("redis")
    assert new != taken
    assert book.port("redis") == new


def test_spare_ports_lie_below_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert spare_port() < max(first, 30_000)


def test_a_spare_port_is_not_given_twice_though_nothing_listens_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_SPARE_PORTS", "29900-29909")
    given = [spare_port() for _ in range(5)]
    assert len(set(given)) == 5


def test_a_broken_book_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert 20_000 <= PortBook(tmp_path / "ports.json").port("redis") < 30_000
