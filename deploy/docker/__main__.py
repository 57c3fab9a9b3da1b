"""Builds the image, and tests it on the stack of deploy/compose.yaml: ``python -m deploy.docker``."""

import argparse
import json
import shutil
import subprocess
import sys

from deploy.docker.engine import DATA, Engine
from deploy.docker.images import build_image, image_size_mb, server_images
from deploy.local.errors import LocalStackError
from deploy.local.paths import REPOSITORY


def main() -> int:
    """Runs the command that the arguments name.

    Returns:
        0, or 1 after printing why it failed.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.docker", description=__doc__)
    parser.add_argument("command", choices=["images", "compose-test", "clean"])
    command = parser.parse_args().command
    try:
        if command == "clean":
            shutil.rmtree(DATA, ignore_errors=True)
            return 0
        with Engine() as engine:
            return _build(engine) if command == "images" else _test_compose(engine)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1


def _build(engine: Engine) -> int:
    name = build_image(engine)
    print(f"Built {name} ({image_size_mb(engine, name)} MB)")
    return 0


def _test_compose(engine: Engine) -> int:
    compose = engine.compose_command
    images = server_images(engine) | {"SERVICE_IMAGE": build_image(engine)}
    # Its name keeps it out of pytest's collection: it needs an engine, and minutes.
    test = REPOSITORY / "tests/deploy/compose/check_compose.py"
    env = {**engine.environment, **images, "COMPOSE_COMMAND": json.dumps(compose)}
    argv = [sys.executable, "-m", "pytest", str(test)]
    return subprocess.run(argv, env=env, cwd=REPOSITORY, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
