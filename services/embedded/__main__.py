"""Runs the embedded system: ``python -m services.embedded``."""

import asyncio
import os

from services.embedded.settings import EmbeddedSettings
from services.shared.arguments import check_arguments
from services.shared.settings import read_settings


def main() -> None:
    """Reads the settings, configures logging and runs the embedded system."""
    check_arguments(
        "services.embedded",
        "Serves the whole API from one process, without servers: for trying, tests and small systems.",
        EmbeddedSettings,
    )
    # gRPC's own lines about connections that break while the services stop. Read when gRPC is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from services.embedded.running import run
    from services.shared.logging import configure_logging
    from services.shared.metrics_server import serve_metrics
    from services.shared.process import collect_garbage_rarely, end_process
    from services.worker.calls.provider.profiles import read_profiles

    settings = read_settings(EmbeddedSettings, provider_profiles=read_profiles)
    configure_logging("embedded", settings.log_level)
    collect_garbage_rarely()
    with serve_metrics(settings.metrics_listen):
        code = asyncio.run(run(settings))
        end_process(code)


if __name__ == "__main__":
    main()
