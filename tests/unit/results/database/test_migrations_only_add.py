"""Migrations that let the code of earlier schemas run on, so that an image can be rolled back."""

import ast
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from services.results.database import migrations

VERSIONS = Path(migrations.__file__).parent / "versions"
# Before the first release; see deploy/upgrading.md.
LAST_TO_RENAME = "0007"
LATER = sorted(path for path in VERSIONS.glob("0*.py") if path.name[:4] > LAST_TO_RENAME)
# The rest drops, renames or alters, or may do so.
ADDING = {"add_column", "create_table", "create_index", "bulk_insert", "get_bind"}


def calls(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def name_of(call):
    """Returns ``op.add_column`` or ``sa.Column`` for a call of that form."""
    function = call.func
    is_plain = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return f"{function.value.id}.{function.attr}" if is_plain else ""


@pytest.mark.parametrize("path", LATER, ids=lambda path: path.stem)
def test_a_migration_only_adds(path):
    operations = {
        name_of(call).removeprefix("op.") for call in calls(path) if name_of(call).startswith("op.")
    }
    assert operations - ADDING == set(), "the code of an image that is rolled back may need it"


@pytest.mark.parametrize("path", LATER, ids=lambda path: path.stem)
def test_older_code_can_insert_rows_without_the_new_columns(path):
    found = calls(path)
    is_table = {
        id(column)
        for call in found
        if name_of(call) == "op.create_table"
        for column in ast.walk(call)
        if isinstance(column, ast.Call)
    }
    for call in found:
        if name_of(call) == "sa.Column" and id(call) not in is_table:
            options = {keyword.arg: keyword.value for keyword in call.keywords}
            nullable = options.get("nullable")
            is_required = isinstance(nullable, ast.Constant) and nullable.value is False
            assert not is_required or "server_default" in options, ast.unparse(call)


def test_revisions_are_numbers_that_grow_as_the_check_of_the_schema_expects():
    scripts = ScriptDirectory.from_config(migrations._config())
    numbers = [script.revision for script in scripts.walk_revisions()]  # the newest first
    assert all(number.isdecimal() and len(number) == 4 for number in numbers)
    assert numbers == sorted(numbers, reverse=True)
