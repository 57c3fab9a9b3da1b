"""Where no Docker engine can be had, this is said, with the reason."""

import os

import pytest

from deploy.docker.engine import Engine
from deploy.local.errors import LocalStackError


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_who_is_not_root_hears_that_starting_an_engine_takes_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with (
        pytest.raises(LocalStackError, match="No Docker engine answers, and starting one takes root"),
        Engine(),
    ):
        pass


def test_root_hears_what_is_missing_where_nothing_can_be_installed(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(LocalStackError, match="dockerd is not installed"), Engine():
        pass
