"""The version is written once, and every place that repeats it says the same."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.local.paths import REPOSITORY
from headrace._version import __version__

# Manifests and examples of commands cannot read the version, and the changelog names each release.
REPEATING = {
    "clients/python/headrace/_version.py",
    "CHANGELOG.md",
    "deploy/README.md",
    "deploy/kustomize/base/kustomization.yaml",
    "deploy/kustomize/overlays/prod/kustomization.yaml",
}
READ = {".cfg", ".json", ".md", ".proto", ".py", ".toml", ".txt", ".yaml", ".yml", ""}
SKIPPED = {"node_modules", "__pycache__", "build", "dist"}
# The example in Node is a package of its own, with a version of its own.
FOREIGN = {"examples/node/package.json", "examples/node/package-lock.json"}
VERSION = re.compile(rf"(?<![\w.]){re.escape(__version__)}(?![\w.]*\d)")


def files():
    for parent, folders, names in os.walk(REPOSITORY):
        folders[:] = [
            name for name in folders if name not in SKIPPED and (name[0] != "." or name == ".github")
        ]
        yield from (Path(parent, name) for name in names if Path(name).suffix in READ and name != ".git")


def read(path):
    return path.read_text(encoding="utf-8", errors="ignore")


def test_the_version_is_a_semantic_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", __version__)


def test_no_other_file_repeats_the_version():
    found = {path.relative_to(REPOSITORY).as_posix() for path in files() if VERSION.search(read(path))}
    assert found - FOREIGN <= REPEATING


def test_manifests_and_documents_name_the_image_of_this_version():
    tag = re.compile(r"(?:newTag: |\bheadrace:)(\d+\.\d+\.\d+[\w.-]*)")
    named = {path: set(tag.findall(read(path))) for path in files() if "deploy" in path.parts}
    assert {path.name: tags for path, tags in named.items() if tags - {__version__}} == {}
    assert any(named.values())


def test_both_distributions_read_the_version_from_its_file():
    for folder in (REPOSITORY, REPOSITORY / "clients/python"):
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        assert project["project"]["dynamic"] == ["version"]
        assert "version" not in project["project"]
        argv = [sys.executable, "-m", "hatchling", "metadata", "version"]
        said = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
        assert said.stdout.strip() == __version__


def test_the_changelog_names_the_version():
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"## [{__version__}] - " in text or f"Becomes {__version__}" in text
