"""The compose file of a whole system on one machine."""

import yaml

from deploy.local.paths import REPOSITORY

OWN = {"migrate", "results", "gateway", "worker"}


def test_services_are_hardened(compose):
    for name in OWN:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_workers_can_be_scaled(compose):
    worker = compose["services"]["worker"]
    assert not {"ports", "container_name", "hostname"} & set(worker)
    assert "HEADRACE_WORKER_ADVERTISE" not in worker["environment"], "each advertises its own name"


def test_only_the_gateway_and_prometheus_are_published_and_only_on_loopback(compose):
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"gateway": ["127.0.0.1:50051:50051"], "prometheus": ["127.0.0.1:9090:9090"]}


def test_prometheus_reads_files_that_exist_and_scrapes_each_service_at_its_metrics(
    compose, compose_containers
):
    prometheus = compose["services"]["prometheus"]
    mounts = dict(volume.split(":")[:2] for volume in prometheus["volumes"])
    folder = REPOSITORY / "deploy"
    files = {inside: folder / path for path, inside in mounts.items() if path.startswith(".")}
    config = yaml.safe_load(files["/etc/prometheus/prometheus.yaml"].read_text())
    for name in config["rule_files"]:
        assert files[f"/etc/prometheus/{name}"].exists()
    scraped = {}
    for job in config["scrape_configs"]:
        (discovery,) = job["dns_sd_configs"]
        assert discovery["names"] == [job["job_name"]]
        scraped[job["job_name"]] = str(discovery["port"])
    assert scraped == {
        name: container.environment["HEADRACE_METRICS_LISTEN"].rpartition(":")[2]
        for name, container in compose_containers.items()
        if name != "migrate"
    }


def test_the_migration_waits_for_the_database(compose):
    assert compose["services"]["migrate"]["command"][-2:] == ["migrate", "--wait"]


def test_only_results_and_the_migration_share_a_network_with_the_database(compose):
    reached = {name for name, service in compose["services"].items() if "store" in service["networks"]}
    assert reached == {"postgres", "migrate", "results"}
    assert compose["networks"]["store"]["internal"] is True


def test_results_starts_on_a_migrated_database(compose):
    assert compose["services"]["results"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }


def test_every_dependency_of_a_service_has_a_health_check(compose):
    services = compose["services"]
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert name in OWN or "test" in services[name]["healthcheck"]


def test_targets_name_services_of_the_file_at_their_ports(compose, compose_containers):
    for container in compose_containers.values():
        if target := container.environment.get("HEADRACE_RESULTS_TARGET"):
            port = compose_containers["results"].environment["HEADRACE_LISTEN"].rpartition(":")[2]
            assert target == f"dns:///results:{port}"
    assert "@rabbitmq:" in compose_containers["worker"].environment["HEADRACE_RABBITMQ_URL"]
    assert {"rabbitmq", "redis", "postgres"} <= set(compose["services"])


def test_variables_of_the_file_have_defaults_or_may_be_missing():
    text = (REPOSITORY / "deploy/compose.yaml").read_text()
    assert text.count("${") == text.count(":-")
