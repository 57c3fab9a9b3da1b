"""Deployments set the settings that the services read."""

import inspect
import re

import pytest

from deploy.local.paths import REPOSITORY
from services.embedded.settings import EmbeddedSettings
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings
from services.worker.calls.provider.openai_provider import OpenAiProvider
from services.worker.settings import WorkerSettings

PREFIX = "HEADRACE_"
SERVICES = [ResultsSettings, GatewaySettings, WorkerSettings]
CALL_SECONDS = inspect.signature(OpenAiProvider).parameters["timeout_seconds"].default
# A worker drains, may wait for the same time again until results accepts its records, and signs off.
WORKER_MARGIN_SECONDS = 15


def names(settings_class):
    return {PREFIX + field.upper() for field in settings_class.model_fields}


def required(settings_class):
    return {
        PREFIX + name.upper() for name, field in settings_class.model_fields.items() if field.is_required()
    }


@pytest.fixture
def containers(manifests, compose_containers):
    return [*manifests.containers(), *compose_containers.values()]


def test_every_setting_that_a_deployment_names_exists(containers):
    for container in containers:
        given = {name for name in container.environment if name.startswith(PREFIX)}
        assert given <= names(container.settings_class), container.name


def test_every_setting_named_anywhere_in_the_files_exists():
    files = [path for path in (REPOSITORY / "deploy/kustomize").rglob("*") if path.is_file()]
    files += [REPOSITORY / "deploy/compose.yaml", *(REPOSITORY / "deploy/docker").glob("*")]
    text = "\n".join(path.read_text() for path in files if path.is_file())
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", text))
    assert named
    assert named <= set().union(*(names(settings_class) for settings_class in SERVICES))


def test_every_required_setting_is_set(containers):
    for container in containers:
        assert required(container.settings_class) <= set(container.environment), container.name


def test_every_value_is_valid_for_its_service(containers, monkeypatch):
    for container in containers:
        with monkeypatch.context() as patch:
            for name, value in container.environment.items():
                patch.setenv(name, value)
            container.settings_class()


def test_services_listen_on_all_interfaces(containers):
    for container in containers:
        if container.name != "migrate":
            assert container.environment["HEADRACE_LISTEN"].startswith("0.0.0.0:")
            assert container.environment["HEADRACE_METRICS_LISTEN"].startswith("0.0.0.0:")


def test_only_results_and_the_migration_know_the_database(containers):
    found = {c.name for c in containers if "HEADRACE_DATABASE_URL" in c.environment}
    assert found == {"results", "migrate"}


def test_only_workers_know_the_providers_key(containers):
    found = {c.name for c in containers if any(name.startswith("OPENAI_") for name in c.environment)}
    assert found == {"worker"}


def test_a_stopped_worker_can_end_a_call_and_record_it_before_it_is_killed(containers):
    for container in containers:
        if container.name == "worker":
            drain_seconds = float(container.environment["HEADRACE_DRAIN_SECONDS"])
            assert drain_seconds > CALL_SECONDS
            assert container.grace_seconds >= 2 * drain_seconds + WORKER_MARGIN_SECONDS


def test_other_services_have_time_to_drain_before_they_are_killed(containers):
    for container in containers:
        if container.name in ("results", "gateway"):
            drain_seconds = float(container.environment["HEADRACE_DRAIN_SECONDS"])
            assert container.grace_seconds >= drain_seconds + 10


def test_the_readme_of_deployments_lists_every_setting_and_no_other():
    readme = (REPOSITORY / "deploy/README.md").read_text()
    listed = set(re.findall(rf"^\| `({PREFIX}\w+)`", readme, re.MULTILINE))
    existing = set().union(*(names(settings_class) for settings_class in SERVICES))
    assert listed == existing
    assert names(EmbeddedSettings) <= existing, "the embedded system has settings that no service has"
