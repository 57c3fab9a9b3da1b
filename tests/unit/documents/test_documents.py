"""What the documents point at is there."""

import re

import pytest

from deploy.local.paths import REPOSITORY

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "services/README.md",
    "examples/README.md",
    "clients/python/README.md",
    "docs/api.md",
    "docs/internal-api.md",
]
FOLDERS = "|".join(["services", "protos", "clients", "deploy", "examples", "tests", "docs"])


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return REPOSITORY / request.param


def test_links_lead_to_files_of_the_repository(document):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), target


def test_paths_that_are_named_exist(document):
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", document.read_text()):
        assert (REPOSITORY / path).exists() or "NNNN" in path, path


def test_make_targets_that_are_named_exist(document):
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
