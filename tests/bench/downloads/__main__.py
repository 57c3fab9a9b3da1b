"""Downloads results by the command line and prints its memory: python -m tests.bench.downloads --count N.

The gateway is a stand-in in another process, so that the figures are those of the client. The target is 150
MB of resident memory for 1,000,000 results.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET_MB = 150
FORMATS = ("jsonl", "jsonl.gz", "csv", "parquet", "arrow")
_JOB_ID = "0190b0f0-0000-7000-8000-000000000001"


def main() -> int:
    """Measures each format, and returns 1 if one needs more memory than the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    arguments = parser.parse_args()
    serving = [sys.executable, "-m", "tests.bench.downloads.serving", str(arguments.count)]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as gateway:
        try:
            port = gateway.stdout.readline().strip()
            peaks = [measure(port, name) for name in arguments.formats]
        finally:
            gateway.terminate()
    return 1 if max(peaks) > TARGET_MB else 0


def measure(port: str, name: str) -> float:
    """Prints time, size and peak memory of a download, and returns the last in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out.{name}"
        begin = time.monotonic()
        command = [str(Path(sys.executable).with_name("headrace")), "results", _JOB_ID, "--output", str(path)]
        process = subprocess.Popen(
            command, env={**os.environ, "HEADRACE_TARGET": f"127.0.0.1:{port}"}, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peak = usage.ru_maxrss / 1024
        size = path.stat().st_size / 1e6
        print(
            f"{name:9} {time.monotonic() - begin:6.1f} s {size:8.1f} MB file {peak:6.1f} MB of memory",
            flush=True,
        )
    return peak


if __name__ == "__main__":
    sys.exit(main())
