"""Errors if no Docker engine can be reached or started."""

import os

import pytest

from deploy.docker.engine import Engine
from deploy.local.errors import LocalStackError


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_other_users_than_root_get_the_message_that_starting_an_engine_needs_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with (
        pytest.raises(LocalStackError, match="No Docker engine responds, and starting one needs root"),
        Engine(),
    ):
        pass


def test_root_gets_the_name_of_the_missing_program_if_nothing_can_be_installed(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(LocalStackError, match="dockerd is not installed"), Engine():
        pass
