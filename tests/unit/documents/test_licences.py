"""NOTICE and the licences of the packages that Headrace runs on."""

import re

import pytest

from deploy.licences import __main__ as command
from deploy.licences.notice import write_notice
from deploy.licences.packages import LicenceError, find_packages
from deploy.local.paths import REPOSITORY

NOTICE = (REPOSITORY / "NOTICE").read_text()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes distributions that importlib.metadata finds, each from the lines of its metadata."""

    def write(name, *lines):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines])
        (folder / "METADATA").write_text(f"{text}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    return write


def test_notice_is_that_of_the_installed_packages():
    assert write_notice(find_packages()) == NOTICE, "run: make licences"


def test_notice_names_every_package_of_the_image():
    lock = (REPOSITORY / "deploy/docker/requirements.lock").read_text()
    locked = set(re.findall(r"^([\w.-]+)==\S+ \\$", lock, re.MULTILINE))
    listed = set(re.findall(r"^([\w.-]+) {2,}\S", NOTICE, re.MULTILINE))
    assert len(locked) > 40
    assert locked <= listed


def test_dramatiq_is_named_with_its_licence():
    assert re.search(r"^dramatiq +LGPL-3.0-or-later +https://", NOTICE, re.MULTILINE)


def test_packages_are_found_through_extras_and_through_others(install):
    install(
        "own-a", "Requires-Dist: dep-b[fast]", 'Requires-Dist: dep-x; extra == "cli"', "Provides-Extra: cli"
    )
    install(
        "dep-b", "License: MIT", 'Requires-Dist: Dep.C; extra == "fast"', 'Requires-Dist: no; extra == "slow"'
    )
    install(
        "dep-c",
        "License-Expression: MIT OR Apache-2.0",
        "Requires-Dist: own-a",
        "Project-URL: Source, https://c",
    )
    install("dep-x", "Classifier: License :: OSI Approved :: ISC License (ISCL)", "Home-page: https://x")
    assert [(p.name, p.licence, p.url) for p in find_packages(["own-a"])] == [
        ("dep-b", "MIT", ""),
        ("dep-c", "MIT OR Apache-2.0", "https://c"),
        ("dep-x", "ISC", "https://x"),
    ]


def test_packages_of_other_systems_and_older_pythons_are_left_out(install):
    others = ['sys_platform == "win32"', 'python_version < "3.12"', 'platform_machine == "sparc"']
    install("own-b", *(f"Requires-Dist: absent; {marker}" for marker in others))
    assert find_packages(["own-b"]) == []


@pytest.mark.parametrize(
    "line", ["License: Proprietary", "License-Expression: MIT AND AGPL-3.0-only", "Summary: x"]
)
def test_a_licence_that_nobody_reviewed_is_refused(install, line):
    install("own-c", "Requires-Dist: dep-d")
    install("dep-d", line)
    with pytest.raises(
        LicenceError, match=r"dep-d is not one of those accepted.*ACCEPTED in deploy/licences"
    ):
        find_packages(["own-c"])


def test_a_package_that_is_missing_is_named(install):
    install("own-d", "Requires-Dist: dep-e")
    with pytest.raises(LicenceError, match="dep-e is not installed; run: make setup"):
        find_packages(["own-d"])


def test_the_command_writes_into_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["licences", str(tmp_path)])
    assert command.main() == 0
    assert (tmp_path / "NOTICE").read_text() == NOTICE
