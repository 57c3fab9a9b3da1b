"""Invalid settings are named with the expected form, and never shown."""

import pytest

from services.embedded.settings import EmbeddedSettings
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings
from services.shared.settings import read_settings
from services.worker.calls.provider.profiles import read_profiles
from services.worker.settings import WorkerSettings

GOOD = {"HEADRACE_RABBITMQ_URL": "memory://", "HEADRACE_DATABASE_URL": "sqlite:///here.db"}
SERVICES = [GatewaySettings, ResultsSettings, WorkerSettings, EmbeddedSettings]
BAD_URLS = [
    "garbage",
    "://",
    "{scheme}://",
    "{scheme}://user:s3cret#x@host:5672/name",
    "{scheme}://user:s3cret/x@host:5672/name",
    "{scheme}://user:1234/s3cret@host:5672/name",
    "{scheme}://user:s3@cret@host:5672/name",
    "{scheme}://host/name;{scheme}://user:s3cret@host/name",
    "{scheme}://user:s3cret@host:port/name",
    "{scheme}://user:s3cret@host:99999/name",
    "{scheme}://user:s3cret@[::1/name",
    "http://user:s3cret@host/name",
]


@pytest.fixture
def refused(monkeypatch, capsys):
    """Returns the output of a service that is started with an invalid setting."""

    def said(settings_class, name, value):
        for good_name, good in (GOOD | {name: value}).items():
            monkeypatch.setenv(good_name, good)
        with pytest.raises(SystemExit) as ended:
            read_settings(settings_class)
        assert ended.value.code == 2
        return capsys.readouterr().err

    return said


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize(
    ("settings_class", "name", "scheme"),
    [
        (GatewaySettings, "HEADRACE_RABBITMQ_URL", "amqp"),
        (WorkerSettings, "HEADRACE_RABBITMQ_URL", "amqp"),
        (WorkerSettings, "HEADRACE_REDIS_URL", "redis"),
        (EmbeddedSettings, "HEADRACE_REDIS_URL", "redis"),
        (ResultsSettings, "HEADRACE_DATABASE_URL", "postgresql"),
        (EmbeddedSettings, "HEADRACE_DATABASE_URL", "postgresql"),
    ],
)
def test_a_bad_url_of_any_service_is_named_with_the_form_it_should_have(
    refused, settings_class, name, scheme, url
):
    said = refused(settings_class, name, url.format(scheme=scheme))
    assert said.startswith(f"{name}: must be {scheme}://user:password@host:port/")
    assert said.count("\n") == 1
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "address", ["50051", "host", "host:99999", "host:port", "a b:1", ":1", "http://host:1"]
)
@pytest.mark.parametrize("settings_class", SERVICES)
@pytest.mark.parametrize("name", ["HEADRACE_LISTEN", "HEADRACE_METRICS_LISTEN"])
def test_a_bad_address_to_listen_at_is_named(refused, settings_class, name, address):
    assert refused(settings_class, name, address).startswith(f"{name}: must be host:port")


@pytest.mark.parametrize("settings_class", [GatewaySettings, WorkerSettings])
def test_a_target_with_a_blank_is_named(refused, settings_class):
    assert "HEADRACE_RESULTS_TARGET: must be host:port" in refused(
        settings_class, "HEADRACE_RESULTS_TARGET", "results 50052"
    )


@pytest.mark.parametrize(
    ("settings_class", "given"),
    [
        (GatewaySettings, {"rabbitmq_url": "amqps://user:p%23%2F%40ss@host:5671/vhost?heartbeat=5"}),
        (WorkerSettings, {"redis_url": "rediss://:pass@host/3", "rabbitmq_url": "amqp://host"}),
        (WorkerSettings, {"listen": "[::]:50061", "worker_advertise": "10.0.0.1:50061"}),
        (WorkerSettings, {"results_target": "dns:///results.headrace.svc:50052"}),
        (ResultsSettings, {"database_url": "postgresql+asyncpg://user@[::1]:5432/name?ssl=require"}),
        (EmbeddedSettings, {"database_url": "sqlite+aiosqlite:////var/lib/a#b.db", "listen": "0.0.0.0:0"}),
    ],
)
def test_good_values_are_kept_as_they_are(monkeypatch, settings_class, given):
    for name, value in (GOOD | {f"HEADRACE_{name.upper()}": value for name, value in given.items()}).items():
        monkeypatch.setenv(name, value)
    settings = read_settings(settings_class)
    assert {name: getattr(settings, name) for name in given} == given


def test_an_empty_variable_counts_as_unset(monkeypatch, refused):
    monkeypatch.setenv("HEADRACE_RESULTS_TARGET", "")
    monkeypatch.setenv("HEADRACE_METRICS_LISTEN", "")
    monkeypatch.setenv("HEADRACE_RABBITMQ_URL", "memory://")
    settings = read_settings(WorkerSettings)
    assert (settings.results_target, settings.metrics_listen) == ("127.0.0.1:50052", None)
    assert refused(WorkerSettings, "HEADRACE_RABBITMQ_URL", "").startswith("HEADRACE_RABBITMQ_URL: ")


def test_settings_show_no_secret_when_they_are_printed(monkeypatch):
    secret = {
        "HEADRACE_RABBITMQ_URL": "amqp://user:s3cret@host/",
        "HEADRACE_REDIS_URL": "redis://:s3cret@host",
        "HEADRACE_DATABASE_URL": "postgresql://user:s3cret@host/name",
    }
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    for settings_class in SERVICES:
        assert "s3cret" not in repr(read_settings(settings_class))


@pytest.mark.parametrize("settings_class", [WorkerSettings, EmbeddedSettings])
def test_a_check_of_a_service_names_its_setting_and_the_mistake(
    monkeypatch, capsys, tmp_path, settings_class
):
    path = tmp_path / "profiles.yaml"
    path.write_text("profiles: {mine: {rules: [{status: 500, then: again}]}}")
    for name, value in (GOOD | {"HEADRACE_PROVIDER_PROFILES": str(path)}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read_settings(settings_class, provider_profiles=read_profiles)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"HEADRACE_PROVIDER_PROFILES: {path}: profile mine, key rules[0].then must be")
    path.write_text("profiles: {mine: {rules: [{status: 500, then: retry}]}}")
    assert read_settings(settings_class, provider_profiles=read_profiles).provider_profiles == str(path)
