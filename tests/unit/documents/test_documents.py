"""Paths, links and make targets that the documents name exist."""

import re

import pytest

from deploy.local.paths import REPOSITORY

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "services/README.md",
    "deploy/README.md",
    "examples/README.md",
    "examples/fastapi/README.md",
    "tests/bench/README.md",
    "clients/protos/README.md",
    "clients/python/README.md",
    *sorted(str(page.relative_to(REPOSITORY)) for page in (REPOSITORY / "docs").rglob("*.md")),
]
DECISIONS = REPOSITORY / "docs/decisions"
FOLDERS = "|".join(["services", "protos", "clients", "deploy", "examples", "tests", "docs"])
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return REPOSITORY / request.param


def anchors_of(page):
    """The anchors of a page's headings, as GitHub makes them, and its explicit ones."""
    text = FENCED.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a (?:id|name)="([^"]+)">', text))


def links_of(page):
    """Target and anchor of each link of a page, without those to other sites."""
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", FENCED.sub("", page.read_text()))
    return [(target, anchor) for target, anchor in links if not target.startswith("https://")]


def test_links_lead_to_files_of_the_repository(document):
    for target, _ in links_of(document):
        assert (document.parent / target).exists(), target


def test_anchors_of_links_are_headings_of_their_page(document):
    for target, anchor in links_of(document):
        page = document.parent / target if target else document
        if anchor and page.suffix == ".md":
            assert anchor in anchors_of(page), f"{target}#{anchor}"


def test_paths_that_are_named_exist(document):
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", document.read_text()):
        assert (REPOSITORY / path).exists() or "NNNN" in path, path


def test_make_targets_that_are_named_exist(document):
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_decision_is_in_the_index_under_its_title():
    index = (DECISIONS / "README.md").read_text()
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    rows = [
        f"| [{page.name[:4]}]({page.name}) | {page.read_text().splitlines()[0].split(': ', 1)[1]} |"
        for page in pages
    ]
    assert rows == [line for line in index.splitlines() if line.startswith("| [0")]
