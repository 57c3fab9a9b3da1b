"""Help texts, their examples, and the completion of shells."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from headrace._cli.app import app
from headrace._cli.help.examples import EXAMPLES, PROGRAM_EXAMPLES, SECTIONS
from headrace.jobs.v1 import jobs_pb2

GROUP = typer.main.get_command(app)


def headrace_commands(examples):
    """Yields the arguments of each call of headrace in some lines of shell."""
    for line in examples.splitlines():
        if line.strip().startswith("#"):
            continue
        for found in re.finditer(r"headrace ([^|()<>;&]*)", re.sub(r"(\./|~/|/)\S*headrace\S*", "X", line)):
            yield shlex.split(found[1])


ALL = [arguments for text in (*EXAMPLES.values(), PROGRAM_EXAMPLES) for arguments in headrace_commands(text)]


def test_every_command_has_examples_and_a_section():
    assert set(GROUP.commands) == set(EXAMPLES)
    assert set(GROUP.commands) == {name for names in SECTIONS.values() for name in names}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_of_a_command_show_that_command(name):
    assert any(arguments[0] == name for arguments in headrace_commands(EXAMPLES[name]))


@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_every_example_is_a_valid_command_line(arguments):
    name, *rest = arguments
    command = GROUP.commands[name]
    takes_ids = any(each.name in ("job_id", "job_ids") for each in command.params)
    if takes_ids and not any(re.fullmatch(r"[\w-]{36}|\$\w+", each) for each in rest):
        rest.append("an id by xargs")
    context = command.make_context(name, rest, resilient_parsing=False)
    assert context.params


async def test_help_ends_with_the_examples(cli):
    done = await cli.run("wait", "--help")
    assert done.code == 0
    assert "\nExamples:\n  # Two jobs at a time" in done.out


async def test_the_list_of_commands_has_sections(cli):
    done = await cli.run("--help")
    assert re.findall(r"^(\w+):$", done.out, re.MULTILINE) == ["Options", *SECTIONS, "Examples"]


async def test_a_mistyped_command_is_bad_use_and_names_the_right_one(cli):
    done = await cli.run("lst")
    assert done.code == 2
    assert "list" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_completion_of_a_shell_is_printed_alone(cli, shell):
    done = await cli.run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_HEADRACE_COMPLETE=complete_{shell}" in done.out


async def test_the_completion_of_bash_completes_in_bash(cli, tmp_path):
    (tmp_path / "completion").write_text((await cli.run("completion", "bash")).out)
    script = f"""
        source {tmp_path}/completion
        COMP_WORDS=(headrace li) COMP_CWORD=1
        _headrace_completion headrace
        echo "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, env={**cli.env, "PATH": path}
    )
    assert (done.stdout, done.stderr) == ("list\n", "")


async def complete(cli, line):
    """The words that bash would be offered at the end of a line."""
    words = line.split(" ")
    cli.env |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_HEADRACE_COMPLETE": "complete_bash"}
    done = await cli.run()
    assert (done.code, done.err) == (0, "")
    return done.out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("headrace pi", ["ping"]),
        ("headrace list --lim", ["--limit"]),
        ("headrace list --state can", ["cancelling", "cancelled"]),
        ("headrace list -o j", ["json", "jsonl"]),
        ("headrace submit noop --class b", ["bulk"]),
        ("headrace submit llm", ["llm.classify", "llm.complete"]),
        ("headrace get 019", []),
    ],
)
async def test_words_are_completed_without_a_gateway(cli, line, words):
    cli.env["HEADRACE_TARGET"] = "127.0.0.1:1"
    assert await complete(cli, line) == words


async def test_ids_and_kinds_are_those_of_the_gateway(cli, gateway, make_job):
    gateway.jobs = [make_job(job_id=each) for each in ("a-1", "a-2", "b-1")]
    gateway.kinds = [jobs_pb2.Kind(name="own.kind", description="Does it. Well.")]
    assert await complete(cli, "headrace get a") == ["a-1", "a-2"]
    assert await complete(cli, "headrace wait a-1 a") == ["a-2"]
    assert await complete(cli, "headrace list --kind o") == ["own.kind"]
    await complete(cli, "headrace --tenant blue get ")
    assert gateway.metadata[-1]["headrace-tenant"] == "blue"


async def test_a_target_on_the_line_is_asked(cli, gateway, make_job):
    cli.env["HEADRACE_TARGET"] = "127.0.0.1:1"
    gateway.jobs = [make_job(job_id="a-1")]
    assert await complete(cli, f"headrace get --target {gateway.target} a") == ["a-1"]
