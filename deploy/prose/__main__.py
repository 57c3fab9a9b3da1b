"""Prose check: ``python -m deploy.prose [--count] [--root FOLDER] [PATH ...]``."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from deploy.local.paths import REPOSITORY
from deploy.prose.check import check


def main() -> int:
    """Prints each finding, or how often each rule is broken, and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.prose", description="Checks the prose of the repository."
    )
    parser.add_argument("--count", action="store_true", help="print the number of findings by rule")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="root of the tree to read")
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders below the root; default: all")
    options = parser.parse_args()
    findings = list(check(options.root, options.paths))
    if options.count:
        for name, count in Counter(finding.rule.name for finding in findings).most_common():
            print(f"{count:6} {name}")
        print(f"{len(findings):6} in all, in {len({finding.path for finding in findings})} files")
    else:
        for finding in findings:
            print(finding)
        if findings:
            print(f"{len(findings)} findings. The rules stand in deploy/prose/rules.py.", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
