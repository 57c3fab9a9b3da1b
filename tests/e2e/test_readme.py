"""The commands and programs of README and the guide run as they stand."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.ports import spare_port
from headrace import Client

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
PAGES = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/guide.md"))

# A text that only this marked block holds, for each block with a test of its own.
FIRST_JOB, READ_JOB, CALLS, PROMPTS = "postings.jsonl", "headrace get $JOB_ID", "buf curl", "llm.complete"
PROGRAM = "from headrace import Client"
OWN_TESTS = (FIRST_JOB, READ_JOB, CALLS, PROMPTS, PROGRAM)


def marked_blocks(language):
    return re.findall(rf"<!-- tested -->\n```{language}\n(.*?)```", PAGES, re.DOTALL)


def marked_block(language, text):
    """The only marked block that holds a text."""
    (block,) = [block for block in marked_blocks(language) if text in block]
    return block


@pytest.fixture(scope="module")
def gateway(servers):
    """A real stack; its addresses replace those of the pages."""
    from deploy.local.testing.stack import TestStack

    stack = TestStack(servers)
    stack.start()
    yield stack
    stack.close()


def environment(gateway, **more):
    binaries = Path(sys.executable).parent
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HEADRACE_TARGET": gateway.gateway_target, **more}


def run(command, folder, env):
    shell = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(
        shell, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


async def run_program(program, gateway, folder):
    assert "localhost:50051" in program
    (folder / "program.py").write_text(program.replace("localhost:50051", gateway.gateway_target))
    return await asyncio.to_thread(run, f"{sys.executable} program.py", folder, environment(gateway))


async def test_the_commands_of_the_first_job_work_as_they_stand(gateway, tmp_path):
    submit, read = marked_block("bash", FIRST_JOB), marked_block("bash", READ_JOB)
    printed = await asyncio.to_thread(run, submit, tmp_path, environment(gateway))
    job_ids = re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", printed)
    assert job_ids
    printed = await asyncio.to_thread(run, read, tmp_path, environment(gateway, JOB_ID=job_ids[0]))
    assert "Engineering" in printed
    assert "SUCCEEDED" in printed


async def test_the_calls_of_a_tool_that_knows_only_reflection_work_as_they_stand(gateway, tmp_path):
    calls = marked_block("bash", CALLS)
    printed = await asyncio.to_thread(run, calls, tmp_path, environment(gateway))
    assert "headrace.gateway.v1.GatewayService/SubmitJob" in printed
    assert "JOB_STATE_SUCCEEDED" in printed
    assert printed.count("ITEM_STATE_SUCCEEDED") == 3


async def test_several_prompts_in_one_job_work_as_they_stand(gateway, tmp_path):
    complete = marked_block("bash", PROMPTS)
    printed = await asyncio.to_thread(run, complete, tmp_path, environment(gateway))
    results = [json.loads(line) for line in printed.splitlines() if line.startswith('{"item_index"')]
    assert [list(result["output"]["answers"]) for result in results] == [["sentiment", "summary"]] * 2


async def test_the_python_example_works_as_it_stands(gateway, tmp_path):
    program = marked_block("python", PROGRAM)
    printed = await run_program(program, gateway, tmp_path)
    assert "SUCCEEDED" in printed
    assert "{'label':" in printed


async def test_every_other_marked_block_works_as_it_stands(gateway, tmp_path):
    async with Client(gateway.gateway_target) as hr:
        job = await hr.submit("noop", [1, 2, 3])
    commands, programs = (
        [block for block in marked_blocks(language) if not any(text in block for text in OWN_TESTS)]
        for language in ("bash", "python")
    )
    for command in commands:
        await asyncio.to_thread(run, command, tmp_path, environment(gateway, JOB_ID=job.job_id))
    for program in programs:
        await run_program(program, gateway, tmp_path)


async def test_the_first_job_example_runs(gateway):
    command = f"{sys.executable} -m examples.first_job"
    printed = await asyncio.to_thread(run, command, ROOT, environment(gateway))
    assert "label" in printed.lower()


async def test_make_demo_ends_by_itself_with_a_summary():
    env = {**os.environ, "DEMO_ITEMS": "600"}
    printed = await asyncio.to_thread(run, "make demo", ROOT, env)
    assert "stand-in" in printed
    assert re.search(r"agree", printed)
    assert "600" in printed


async def test_the_embedded_command_of_the_readme_serves(tmp_path):
    command = re.search(r"`\.venv/bin/python (-m services\.embedded)`", PAGES)
    assert command is not None
    env = {**os.environ, "HEADRACE_LISTEN": "127.0.0.1:0"}
    env["HEADRACE_DATABASE_URL"] = f"sqlite+aiosqlite:///{tmp_path}/headrace.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command[1].split(), stdout=asyncio.subprocess.PIPE, env=env, cwd=ROOT
    )
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert b"ready" in line
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.communicate()
    assert process.returncode == 0


async def test_the_commands_for_the_embedded_system_work_as_they_stand(tmp_path):
    page = (ROOT / "docs/embedded.md").read_text()
    (commands,) = re.findall(r"<!-- tested -->\n```bash\n(.*?)```", page, re.DOTALL)
    address = f"127.0.0.1:{spare_port()}"
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HEADRACE_LISTEN": address,
        "HEADRACE_TARGET": address,
        "HEADRACE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/headrace.db",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands, stdout=asyncio.subprocess.PIPE, env=env, cwd=ROOT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"SUCCEEDED" in output


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", PAGES, re.MULTILINE)):
        name = next(part for part in target if part)
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name
