"""The client's distribution declares everything that it imports, and the command line's part apart."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib

import pytest

from deploy.local.paths import REPOSITORY

CLIENT = REPOSITORY / "clients" / "python"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
CLI_ALONE = ("pyyaml", "rich", "typer")
CLI_MODULES = ("yaml", "rich", "typer")
EXTRAS = {"pandas": "pandas", "pyarrow": "arrow", "tqdm": "progress", "zstandard": "zstd"}
FOREIGN = ("polars",)  # used in place of pyarrow where it is installed
# Runs code as if the extra of the command line were not installed.
WITHOUT_CLI = f"import sys; sys.modules.update(dict.fromkeys({CLI_MODULES})); "


def imported_modules():
    """Yields each third-party module that the client imports, with the extra of the importing file."""
    for path in (CLIENT / "headrace").rglob("*.py"):
        part = "cli" if "_cli" in path.parts else ""
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module]
            for name in names:
                library = name.partition(".")[0]
                if library not in {"headrace", *FOREIGN, *sys.stdlib_module_names}:
                    yield name, EXTRAS.get(library, part)


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def files_of(requirements):
    """Returns the files of these distributions, and of parts that they pin as their own.

    Their other dependencies, such as pygments for rich, may go with their next version.
    """
    names = [name_of(requirement) for requirement in requirements]
    parts = [
        name_of(requirement)
        for name in names
        for requirement in importlib.metadata.requires(name) or ()
        if re.fullmatch(r"[\w.-]+==[\w.]+", requirement)
    ]
    return {str(file) for name in [*names, *parts] for file in importlib.metadata.files(name)}


@pytest.fixture(scope="module")
def declared_files():
    """The files of the distributions that pyproject.toml names, for each extra."""
    required = PROJECT["dependencies"]
    extras = PROJECT["optional-dependencies"]
    return {"": files_of(required)} | {name: files_of(required + more) for name, more in extras.items()}


@pytest.mark.parametrize(("module", "extra"), sorted(set(imported_modules())))
def test_what_the_client_imports_belongs_to_a_distribution_that_it_declares(module, extra, declared_files):
    place = module.replace(".", "/")
    assert any(file.startswith((f"{place}/", f"{place}.")) for file in declared_files[extra])


def test_the_extra_of_the_command_line_holds_its_libraries_alone():
    assert [name_of(requirement) for requirement in PROJECT["optional-dependencies"]["cli"]] == [*CLI_ALONE]


def test_the_client_works_without_the_libraries_of_the_command_line():
    program = WITHOUT_CLI + "import headrace, headrace.kinds; headrace.SyncClient(); print('fine')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_command_line_without_its_libraries_names_what_to_install():
    program = WITHOUT_CLI + "from headrace._cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The command line needs: pip install 'headrace[cli]'\n"
