"""The check for breaking changes, in repositories like those of people and CI."""

import os
import shutil
import subprocess

import pytest

from deploy.local.paths import REPOSITORY

FIRST = 'syntax = "proto3";\npackage shop.v1;\nmessage Cart { string owner = 1; }\n'
BROKEN = FIRST.replace("owner = 1", "owner = 2")
ADDED = FIRST.replace("owner = 1;", "owner = 1; int32 count = 2;")


class Repository:
    """A folder with the check in it, and with git."""

    def __init__(self, folder):
        self.folder = folder

    def git(self, *arguments):
        identity = {
            f"GIT_{role}_{part}": "t@t" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        env = os.environ | identity | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", *arguments], cwd=self.folder, env=env, check=True, capture_output=True)

    def write(self, proto):
        (self.folder / "protos/shop/v1").mkdir(parents=True, exist_ok=True)
        (self.folder / "protos/shop/v1/cart.proto").write_text(proto)

    def commit(self, proto=None):
        if proto is not None:
            self.write(proto)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")

    def write_baseline(self):
        """As `make proto-baseline` does."""
        target = self.folder / "deploy/protos/baseline.binpb"
        build = [self.folder / ".venv/bin/buf", "build", "--exclude-source-info", "-o", target]
        subprocess.run(build, cwd=self.folder, check=True)

    def place_check(self):
        (self.folder / "deploy/protos").mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "deploy/protos/breaking", self.folder / "deploy/protos")
        (self.folder / "buf.yaml").write_text("version: v2\nmodules:\n  - path: protos\n")
        (self.folder / ".venv").symlink_to(REPOSITORY / ".venv")

    def check(self, **environment):
        done = subprocess.run(
            [self.folder / "deploy/protos/breaking"],
            env={k: v for k, v in os.environ.items() if k != "BREAKING_AGAINST"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path):
    """On main, with one commit without protos."""
    made = Repository(tmp_path / "repository")
    made.folder.mkdir()
    made.git("init", "-q", "-b", "main")
    made.place_check()
    made.commit()
    return made


@pytest.fixture
def clone(tmp_path, repository):
    """Makes clones, with the arguments of git clone."""

    def make(*arguments):
        made = Repository(tmp_path / "clone")
        repository.git("clone", "-q", *arguments, f"file://{repository.folder}", str(made.folder))
        return made

    return make


def test_a_changed_field_number_is_refused_and_an_added_field_is_not(repository):
    repository.commit(FIRST)
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit(ADDED)
    assert repository.check()[0]
    repository.commit(BROKEN)
    passed, said = repository.check()
    assert not passed
    assert "compared with main" in said
    assert "owner" in said


def test_a_fresh_clone_compares_with_main_of_its_origin(repository, clone):
    repository.commit(FIRST)
    fresh = clone()
    fresh.commit(BROKEN)
    passed, said = fresh.check()
    assert not passed
    assert "compared with origin/main" in said


def test_a_shallow_and_detached_checkout_fetches_main(repository, clone):
    repository.commit(FIRST)
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit(BROKEN)
    shallow = clone("--depth=1", "--branch=feature")
    shallow.git("checkout", "-q", "--detach")
    passed, said = shallow.check()
    assert not passed
    assert "compared with origin/main, fetched now" in said


def test_a_checkout_that_cannot_reach_main_compares_with_its_own_commit(repository, clone):
    repository.commit(FIRST)
    repository.git("checkout", "-q", "-b", "feature")
    alone = clone("--depth=1", "--branch=feature")
    alone.git("remote", "remove", "origin")
    alone.write(BROKEN)
    passed, said = alone.check()
    assert not passed
    assert "compared with HEAD" in said


def test_while_main_has_no_protos_the_newest_commit_that_has_them_counts(repository):
    repository.git("checkout", "-q", "-b", "feature")
    repository.write(FIRST)
    assert repository.check() == (True, "protos/ compared with nothing: no commit has protos yet\n")
    repository.commit()
    repository.write(BROKEN)
    assert not repository.check()[0]


def test_another_commit_can_be_named(repository):
    repository.commit(FIRST)
    repository.commit(BROKEN)
    assert repository.check()[0]
    assert not repository.check(BREAKING_AGAINST="HEAD~1")[0]
    passed, said = repository.check(BREAKING_AGAINST="nowhere")
    assert not passed
    assert "nowhere is not a commit" in said


def test_a_deliberate_break_passes_with_a_new_baseline_and_is_named(repository):
    repository.commit(FIRST)
    repository.git("checkout", "-q", "-b", "feature")
    repository.write(BROKEN)
    assert not repository.check()[0]
    repository.write_baseline()
    passed, said = repository.check()
    assert passed
    assert said == (
        "protos/ compared with deploy/protos/baseline.binpb, a deliberate break that main does not have yet\n"
    )


def test_a_break_of_the_new_baseline_is_refused(repository):
    repository.commit(FIRST)
    repository.git("checkout", "-q", "-b", "feature")
    repository.write(BROKEN)
    repository.write_baseline()
    repository.commit(FIRST)
    passed, said = repository.check()
    assert not passed
    assert "compared with deploy/protos/baseline.binpb" in said
    assert "owner" in said


def test_once_main_has_the_baseline_main_counts_again(repository):
    repository.commit(FIRST)
    repository.write_baseline()
    repository.commit(ADDED)
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit(FIRST)
    passed, said = repository.check()
    assert not passed
    assert "compared with main (" in said
    assert "count" in said


def test_a_clone_of_a_main_without_a_baseline_passes_with_one(repository, clone):
    repository.commit(FIRST)
    fresh = clone()
    fresh.write(BROKEN)
    fresh.write_baseline()
    passed, said = fresh.check()
    assert passed
    assert "that origin/main does not have yet" in said
    fresh.commit()
    assert fresh.check() == (True, said)


def test_a_clone_of_a_main_without_a_baseline_needs_none(repository, clone):
    repository.commit(FIRST)
    fresh = clone()
    passed, said = fresh.check()
    assert passed
    assert "compared with origin/main (" in said


def test_a_named_commit_counts_whatever_the_baseline_says(repository):
    repository.commit(FIRST)
    repository.write(BROKEN)
    repository.write_baseline()
    repository.commit()
    passed, said = repository.check(BREAKING_AGAINST="HEAD~1")
    assert not passed
    assert "compared with HEAD~1" in said


def test_a_folder_without_git_has_nothing_to_compare_with(repository):
    repository.write(FIRST)
    shutil.rmtree(repository.folder / ".git")
    assert repository.check(GIT_CEILING_DIRECTORIES=str(repository.folder.parent)) == (
        True,
        "protos/ compared with nothing: not a git repository\n",
    )
