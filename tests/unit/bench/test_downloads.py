import subprocess
import sys


def test_a_download_of_any_format_stays_below_the_bound_of_memory():
    command = [sys.executable, "-m", "tests.bench.downloads", "--count", "5000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "jsonl",
        "jsonl.gz",
        "csv",
        "parquet",
        "arrow",
    ]
