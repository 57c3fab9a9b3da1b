import subprocess
import sys

UNUSED = ("rich.progress", "rich.console", "pydantic", "sqlalchemy", "services", "uvloop")


def test_help_needs_no_gateway_and_imports_nothing_that_it_does_not_show():
    code = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from headrace._cli import main\n"
        "try: main()\n"
        f"except SystemExit: print([name for name in {UNUSED} if name in sys.modules])"
    )
    environment = {"HEADRACE_TARGET": "https://nowhere:99999", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.startswith("Usage: headrace ")
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == ""
