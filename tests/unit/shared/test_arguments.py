import subprocess
import sys

import pytest

HEAVY = ("grpc", "sqlalchemy", "dramatiq", "alembic", "openai")


def run(*arguments, module="services.embedded"):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("module", ["services.embedded", "services.gateway", "services.worker"])
def test_help_names_the_settings_and_starts_nothing(module):
    done = run("--help", module=module)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: python -m {module}\n")
    assert "HEADRACE_LISTEN" in done.stdout


def test_help_names_each_default_once_and_every_setting_has_a_text():
    lines = run("-h").stdout.splitlines()
    names = [place for place, line in enumerate(lines) if line.startswith("  HEADRACE_")]
    assert "[default: 127.0.0.1:50051]" in " ".join(line.strip() for line in lines)
    assert all(lines[place + 1].startswith("      ") and lines[place + 1].strip() for place in names)


def test_help_of_the_embedded_system_imports_none_of_its_parts():
    code = (
        "import runpy, sys; sys.argv = ['services.embedded', '--help']\n"
        "try: runpy.run_module('services.embedded', run_name='__main__')\n"
        f"except SystemExit: print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_other_arguments_are_refused_in_one_line():
    done = run("--port", "50051")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "unknown argument '--port': settings are environment variables; "
        "see: python -m services.embedded --help\n"
    )
