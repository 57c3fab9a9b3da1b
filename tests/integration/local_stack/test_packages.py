"""Missing server packages are installed if the user may, and named otherwise."""

from pathlib import Path

import pytest

from deploy.local import packages
from deploy.local.errors import LocalStackError


def test_the_error_for_a_user_who_may_not_install_names_packages_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda: ["rabbitmq-server", "redis-server"])
    monkeypatch.setattr(packages, "_root_prefix", lambda: None)
    with pytest.raises(LocalStackError) as raised:
        packages.ensure_installed(["redis-server", "rabbitmq-server", "postgresql"], tmp_path / "apt.log")
    expected = "sudo apt-get install --no-install-recommends rabbitmq-server redis-server"
    assert expected in str(raised.value)
    assert "postgresql" not in str(raised.value)


def test_nothing_is_installed_when_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda: [])
    packages.ensure_installed(["redis-server"], tmp_path / "apt.log")
    assert not (tmp_path / "apt.log").exists()


def test_a_failing_apt_is_reported_with_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda: ["no-such-server"])
    # Replaces the prefix "sudo": echoes the command and installs nothing.
    monkeypatch.setattr(packages, "_root_prefix", lambda: ["echo", "E: Unable to locate"])
    with pytest.raises(LocalStackError) as raised:
        packages.ensure_installed(["no-such-server"], tmp_path / "apt.log")
    assert "apt did not install no-such-server" in str(raised.value)
    assert "E: Unable to locate" in str(raised.value)
