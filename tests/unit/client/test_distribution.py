"""The client's distribution declares everything that it imports: it installs alone."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest

from deploy.local.paths import REPOSITORY

CLIENT = REPOSITORY / "clients" / "python"


def imported_modules():
    """Every module that a file of the client imports, in full, where it is none of Python's or its own."""
    for path in (CLIENT / "headrace").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module]
            for name in names:
                if name.partition(".")[0] not in {"headrace", *sys.stdlib_module_names}:
                    yield name


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


@pytest.fixture(scope="module")
def declared_files():
    """The files of the distributions that pyproject.toml names, and of parts that these pin as their own.

    What they bring along besides, such as rich for typer, may go with their next version.
    """
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    names = [name_of(requirement) for requirement in project["dependencies"]]
    parts = [
        name_of(requirement)
        for name in names
        for requirement in importlib.metadata.requires(name) or ()
        if re.fullmatch(r"[\w.-]+==[\w.]+", requirement)
    ]
    return {str(file) for name in [*names, *parts] for file in importlib.metadata.files(name)}


@pytest.mark.parametrize("module", sorted(set(imported_modules())))
def test_what_the_client_imports_belongs_to_a_distribution_that_it_declares(module, declared_files):
    place = module.replace(".", "/")
    assert any(file.startswith((f"{place}/", f"{place}.")) for file in declared_files)
