"""The prose check on small trees."""

from pathlib import Path

import pytest

from deploy.prose import __main__ as command
from deploy.prose.check import check
from deploy.prose.commit_subject import LIMIT, find_fault
from deploy.prose.rules import FIRST_WORDS, PHRASES


@pytest.fixture
def findings(tmp_path):
    """Writes files and returns what the check says of them: (path, line, rule)."""

    def write_and_check(files, *paths):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [
            (str(found.path), found.line, found.rule.name) for found in check(tmp_path, [*map(Path, paths)])
        ]

    return write_and_check


@pytest.mark.parametrize("word", FIRST_WORDS)
def test_docstrings_that_open_with_a_clause_are_refused(findings, word):
    source = f'"""{word} a worker holds."""\n\n\n'
    source += f'class Capacity:\n    """{word} is there.\n\n    More.\n    """\n\n'
    source += f'    async def wait(self):\n        """{word} comes next."""\n'
    rule = f"first word {word}"
    assert findings({"services/a.py": source}) == [
        ("services/a.py", 1, rule),
        ("services/a.py", 5, rule),
        ("services/a.py", 11, rule),
    ]


def test_a_clause_is_found_behind_every_way_to_quote_a_docstring(findings):
    for start, end in [("'''", "'''"), ('"', '"'), ("'", "'"), ('r"""', '"""'), ('"""\n', '\n"""')]:
        assert len(findings({"services/a.py": f"{start}How chunks leave.{end}\n"})) == 1, start


def test_words_that_only_begin_alike_or_stand_later_pass(findings):
    source = '"""Whatever it is."""\n\n\ndef f():\n    """Returns the worker that holds what was leased."""\n'
    assert findings({"services/a.py": source}) == []


def test_instructions_may_be_titled_how_to(findings):
    assert findings({"CONTRIBUTING.md": "## How to add a kind\n\nWrite it.\n"}) == []
    assert findings({"CONTRIBUTING.md": "## How kinds work\n"}) == [("CONTRIBUTING.md", 1, "first word How")]


def test_whether_is_for_properties_alone(findings):
    source = "class Job:\n    @property\n    def is_done(self):\n        "
    assert findings({"services/a.py": source + '"""Whether the job has finished."""\n'}) == []
    source = source.replace("    @property\n", "")
    assert findings({"services/a.py": source + '"""Whether the job has finished."""\n'}) == [
        ("services/a.py", 3, "first word Whether")
    ]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_is_refused_in_docstrings_comments_protos_and_documents(findings, phrase):
    text = f"Some words, then {phrase.replace('...', 'the caller')} and the rest."
    function = f'def f():\n    """Does it.\n\n    {text}\n    """\n'
    files = {
        "services/a.py": f'"""Module."""\n\n# {text}\nX = 1  # {text}\n\n\n{function}',
        "protos/a.proto": f'syntax = "proto3";\n\n// {text}\nmessage A {{}}\n',
        "docs/a.md": f"# Title\n\n{text}\n",
    }
    assert findings(files) == [
        ("services/a.py", 3, phrase),
        ("services/a.py", 4, phrase),
        ("services/a.py", 10, phrase),
        ("protos/a.proto", 3, phrase),
        ("docs/a.md", 3, phrase),
    ]


def test_a_phrase_is_found_across_a_line_break_and_reported_where_it_begins(findings):
    files = {
        "services/a.py": '"""Module."""\n\n# Waits for so\n# many seconds.\n',
        "protos/a.proto": "// Accepts so\n// many items.\n",
        "docs/a.md": "Text.\nThere are so\nmany of them.\n",
    }
    assert findings(files) == [
        ("services/a.py", 3, "so many"),
        ("protos/a.proto", 1, "so many"),
        ("docs/a.md", 2, "so many"),
    ]


def test_separate_comments_are_separate_texts(findings):
    files = {
        "services/a.py": '"""Module."""\n\nX = 1  # so\n# many\n\n# so\n\n# many\n',
        "docs/a.md": "- so\n- many\n\nso\n\nmany\n\n| so |\n| many |\n",
    }
    assert findings(files) == []


def test_at_most_is_refused_behind_what_it_bounds(findings):
    assert findings(
        {"services/a.py": '"""Module."""\n# Runs 10 items at most.\n# It holds 10 (at most) of them at most'}
    ) == [
        ("services/a.py", 2, "at most, postfix"),
        ("services/a.py", 3, "at most, postfix"),
        ("services/a.py", 3, "at most, postfix"),
    ]
    assert findings({"services/a.py": '"""Runs at most 10 items."""\n'}) == []


def test_is_no_is_refused_for_is_not_a_and_nothing_else(findings):
    source = '"""Module."""\n# The text is no JSON.\n# There is no number, and it is no longer read.\n'
    assert findings({"services/a.py": source}) == [("services/a.py", 2, "is no X")]


def test_code_in_documents_and_docstrings_is_not_prose(findings):
    files = {
        "services/a.py": '"""Reads ``so many`` and `beside`."""\n\nX = "so many"\n',
        "docs/a.md": "Use `so many`.\n\n```bash\necho so many\n~~~\necho beside\n```\n\nIt is so many.\n",
        "protos/a.proto": 'string a = 1 [default = "http://so many"];\n',
    }
    assert findings(files) == [("docs/a.md", 9, "so many")]


def test_a_comment_behind_a_field_of_a_proto_is_read(findings):
    proto = 'message A {\n  string a = 1 [json_name = "//"]; // How it goes.\n}\n'
    assert findings({"protos/a.proto": proto}) == [("protos/a.proto", 2, "first word How")]


def test_generated_and_foreign_files_are_not_read(findings):
    bad = "It is so many.\n"
    files = {
        "docs/api.md": f"# API\n\n<!-- Made from the comments in protos/ -->\n\n{bad}",
        "protos/buf/validate/validate.proto": f"// {bad}",
        "clients/python/headrace/jobs/v1/jobs_pb2.py": f"# {bad}",
        "examples/node/node_modules/x/README.md": bad,
        "services/__pycache__/a.md": bad,
        ".venv/a.md": bad,
    }
    assert findings(files) == []


def test_paths_narrow_the_check(findings, tmp_path):
    files = {"services/a.py": '"""How."""\n', "services/b/c.py": '"""How."""\n', "README.md": "# How\n"}
    assert len(findings(files)) == 3
    assert findings({}, "services/b") == [("services/b/c.py", 1, "first word How")]


def test_the_command_prints_findings_or_counts_and_fails(tmp_path, monkeypatch, capsys):
    (tmp_path / "README.md").write_text("# How it works\n\nIt is beside so many others, so many.\n")
    monkeypatch.setattr("sys.argv", ["prose", "--root", str(tmp_path)])
    assert command.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0] == "README.md:1: first word How (say what it is or does)"
    monkeypatch.setattr("sys.argv", ["prose", "--count", "--root", str(tmp_path)])
    assert command.main() == 1
    assert [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()] == [
        ["2", "so many"],
        ["1", "first word How"],
        ["1", "beside"],
        ["4", "in all, in 1 files"],
    ]


def test_a_clean_tree_passes(tmp_path, monkeypatch, capsys):
    (tmp_path / "README.md").write_text("# Headrace\n\nBackground jobs.\n")
    monkeypatch.setattr("sys.argv", ["prose", "--root", str(tmp_path)])
    assert command.main() == 0
    assert capsys.readouterr().out == ""


def test_a_commit_subject_is_bounded_and_stands_alone():
    assert find_fault(f"{'a' * LIMIT}\n\nBody of any length, {'a' * 200}\n# comment\n") is None
    assert "73 characters" in (find_fault("a" * (LIMIT + 1)) or "")
    assert "blank line" in (find_fault("Subject\nbody\n") or "")
