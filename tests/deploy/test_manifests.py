"""The Kubernetes manifests are valid, and their references resolve."""

import shutil
import subprocess

import pytest
import yaml

from deploy.local.paths import REPOSITORY
from services.shared.serving.rpc_server import LIVENESS

# The oldest release with stable gRPC probes, and the newest with an available schema.
RELEASES = ["1.27", "1.37"]
SERVICES = {"results", "gateway", "worker"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@pytest.mark.parametrize("overlay", ["dev", "prod"])
@pytest.mark.parametrize("release", RELEASES)
def test_manifests_are_valid_and_of_known_schemas(render, program, tmp_path, overlay, release):
    path = tmp_path / "manifests.yaml"
    path.write_text(render(overlay))
    argv = [program("kubernetes-validate"), "--strict", "-k", release, str(path)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert "Couldn't find schema" not in output
    assert "WARN" not in output


def test_every_deployment_selects_only_its_own_pods(manifests):
    templates = dict(manifests.pods())
    for name, deployment in manifests.of("Deployment").items():
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selected(selector, templates) == {name}


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_every_selector_finds_the_pods_of_one_deployment(manifests, kind):
    templates = dict(manifests.pods())
    for name, item in manifests.of(kind).items():
        spec = item["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        assert selected(selector.get("matchLabels", selector), templates) == {name.partition("-")[0]}


def test_annotations_for_prometheus_name_the_port_of_the_metrics(manifests):
    containers = {container.name: container for container in manifests.containers()}
    for name in SERVICES:
        pod = manifests.of("Deployment")[name]["spec"]["template"]
        listen_port = containers[name].environment["HEADRACE_METRICS_LISTEN"].rpartition(":")[2]
        ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
        assert ports["metrics"] == int(listen_port)
        assert pod["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": listen_port,
            "prometheus.io/path": "/metrics",
        }


def test_replicas_are_spread_by_their_own_labels(manifests):
    for name, deployment in manifests.of("Deployment").items():
        if name in SERVICES:
            pod = deployment["spec"]["template"]
            constraints = pod["spec"]["topologySpreadConstraints"]
            assert constraints
            for constraint in constraints:
                labels = constraint["labelSelector"]["matchLabels"]
                assert labels.items() <= pod["metadata"]["labels"].items()


def test_probes_use_the_port_of_the_service(manifests):
    containers = {container.name: container for container in manifests.containers()}
    for name, deployment in manifests.of("Deployment").items():
        if name not in SERVICES:
            continue
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        listen_port = int(containers[name].environment["HEADRACE_LISTEN"].rpartition(":")[2])
        assert [port["containerPort"] for port in container["ports"] if port["name"] == "grpc"] == [
            listen_port
        ]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["grpc"]["port"] == listen_port


def test_only_the_readiness_probe_asks_whether_a_service_can_work(manifests):
    for name in SERVICES:
        raw = manifests.of("Deployment")[name]["spec"]["template"]["spec"]["containers"][0]
        asked = {probe: raw[probe]["grpc"].get("service", "") for probe in PROBES}
        assert asked == {"startupProbe": LIVENESS, "readinessProbe": "", "livenessProbe": LIVENESS}, name


def test_services_target_ports_of_their_pods(manifests):
    templates = dict(manifests.pods())
    for service in manifests.of("Service").values():
        (owner,) = selected(service["spec"]["selector"], templates)
        ports = {port["name"] for port in templates[owner]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_callers_reach_results_through_a_headless_service_at_its_port(manifests):
    for container in manifests.containers():
        if target := container.environment.get("HEADRACE_RESULTS_TARGET"):
            host, _, port = target.removeprefix("dns:///").partition(":")
            service = manifests.of("Service")[host]
            assert target.startswith("dns:///")
            assert service["spec"]["clusterIP"] == "None"
            assert [item["port"] for item in service["spec"]["ports"]] == [int(port)]


@pytest.mark.parametrize("name", ["results", "gateway"])
def test_a_roll_out_stops_no_pod_before_callers_can_have_found_the_new_one(manifests, name):
    spec = manifests.of("Deployment")[name]["spec"]
    # gRPC resolves a name again after at least 30 s, and a cluster's DNS caches responses for 30 s.
    assert spec["minReadySeconds"] > 60
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_workers_have_a_headless_service(manifests):
    assert manifests.of("Service")["worker"]["spec"]["clusterIP"] == "None"


def test_every_worker_advertises_the_address_of_its_own_pod(manifests):
    pod = manifests.of("Deployment")["worker"]["spec"]["template"]["spec"]
    env = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
    names = list(env)
    assert env["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    assert env["HEADRACE_WORKER_ADVERTISE"]["value"] == "$(POD_IP):50061"
    assert names.index("POD_IP") < names.index("HEADRACE_WORKER_ADVERTISE"), "only earlier names are replaced"


def test_keys_of_secrets_and_config_maps_that_pods_read_exist(manifests):
    secrets, config_maps = manifests.secrets(), manifests.of("ConfigMap")
    for _, container in manifests.own_containers():
        for source in container.get("envFrom", []):
            assert source["configMapRef"]["name"] in config_maps, container["name"]
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                assert reference["key"] in secrets[reference["name"]], container["name"]


def test_an_example_names_every_key_of_the_secret_that_the_user_creates(prod):
    assert not prod.of("Secret")
    read = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for _, container in prod.own_containers()
        for entry in container.get("env", [])
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert set(prod.secrets()["headrace"]) == read


def test_pods_run_without_root_a_writable_root_file_system_or_a_token(manifests):
    accounts = manifests.of("ServiceAccount")
    for spec, container in manifests.own_containers():
        assert spec["automountServiceAccountToken"] is False, container["name"]
        assert accounts[spec["serviceAccountName"]]["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_container_asks_for_resources_and_has_limits(manifests):
    for name, pod in manifests.pods():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}, name


def test_production_loses_one_pod_of_a_service_at_a_time(prod):
    budgets = prod.of("PodDisruptionBudget")
    assert set(budgets) == SERVICES
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert prod.of("HorizontalPodAutoscaler")[name]["spec"]["minReplicas"] >= 2


def test_all_pods_of_an_overlay_run_one_version(manifests):
    images = {container["image"] for _, container in manifests.own_containers()}
    assert len(images) == 1
    assert {container["name"] for _, container in manifests.own_containers()} == {*SERVICES, "migrate"}
    assert not next(iter(images)).endswith(":latest")


def test_the_migration_runs_before_results_and_only_there(manifests):
    before = {
        name: [container["name"] for container in pod["spec"].get("initContainers", [])]
        for name, pod in manifests.own_pods()
    }
    assert before == {"results": ["migrate"], "gateway": [], "worker": []}
    (migrate,) = manifests.of("Deployment")["results"]["spec"]["template"]["spec"]["initContainers"]
    assert migrate["command"][-2:] == ["migrate", "--wait"], "a database that is away ends no container"


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_the_next_version_changes_only_images_so_that_a_second_apply_is_accepted(
    kubectl, render, tmp_path, overlay
):
    shutil.copytree(REPOSITORY / "deploy/kustomize", tmp_path / "kustomize")
    path = tmp_path / "kustomize/overlays" / overlay / "kustomization.yaml"
    content = yaml.safe_load(path.read_text())
    newer = {"name": "headrace", "newName": "registry.example.com/headrace", "newTag": "next"}
    path.write_text(yaml.safe_dump(content | {"images": [newer]}))
    result = subprocess.run(
        [kubectl, "kustomize", str(path.parent)], capture_output=True, text=True, check=True
    )

    def without_images(text):
        objects = list(yaml.safe_load_all(text))
        for item in objects:
            pod = item.get("spec", {}).get("template", {}).get("spec", {})
            for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
                if "command" in container:
                    container["image"] = "headrace"
        return objects

    assert result.stdout.count("registry.example.com/headrace:next") == len(SERVICES) + 1
    assert without_images(result.stdout) == without_images(render(overlay))
    assert "Job" not in {item["kind"] for item in yaml.safe_load_all(result.stdout)}, (
        "its template is immutable"
    )


def test_an_apply_keeps_the_replicas_that_were_scaled(manifests):
    for name in SERVICES:
        assert "replicas" not in manifests.of("Deployment")[name]["spec"], name


def test_production_starts_with_a_minimum_of_replicas_and_may_be_scaled_above_it_by_hand(prod):
    minimums = prod.of("HorizontalPodAutoscaler")
    assert set(minimums) == SERVICES
    for name, autoscaler in minimums.items():
        spec = autoscaler["spec"]
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert spec["maxReplicas"] >= 1000
        for direction in ("scaleUp", "scaleDown"):
            assert spec["behavior"][direction] == {"selectPolicy": "Disabled"}


def test_a_worker_requests_what_it_was_measured_to_use(manifests):
    (container,) = manifests.of("Deployment")["worker"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}


def selected(selector, templates):
    """Returns the names of the pod templates that a selector matches."""
    return {
        name
        for name, template in templates.items()
        if selector.items() <= template["metadata"]["labels"].items()
    }
