"""The compose files and the Kustomize base: valid, and about options, files and names that exist.

No container runs. Schemas are checked where packages with them are installed.
"""

import functools
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from emulator.cli.main import app
from emulator.settings import Settings, load_settings
from emulator.settings.option_fields import ENVIRONMENT_PREFIX, options
from tests.support.harness import running_service

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE_FILES = sorted(DOCKER.glob("compose*.yaml"))
KUBERNETES = DOCKER / "kubernetes"
OVERLAYS = ("base", "team", "cluster")
KUBERNETES_VERSION = "1.30"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
VARIABLES = {option.variable: option for option in options(Settings).values()}


def test_there_are_compose_files() -> None:
    assert [path.name for path in COMPOSE_FILES] == [
        "compose.cluster.yaml",
        "compose.team.yaml",
        "compose.tests.yaml",
        "compose.yaml",
    ]


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_a_compose_file_has_the_form_of_its_specification(path: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="get it with: pip install compose-spec")
    content = yaml.safe_load(path.read_text())
    compose_spec.ComposeSpecification.model_validate(content, extra="forbid")
    next(iter(content["services"].values()))["no_such_key"] = 1
    with pytest.raises(ValueError, match="no_such_key"):
        compose_spec.ComposeSpecification.model_validate(content, extra="forbid")


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_what_a_compose_file_names_exists(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    declared = set(content.get("volumes") or {})
    used = set()
    for service in content["services"].values():
        check_options(service.get("environment") or {})
        assert set(service.get("depends_on") or {}) <= set(content["services"])
        for name, condition in (service.get("depends_on") or {}).items():
            if condition["condition"] == "service_healthy":
                is_built = "build" in content["services"][name]
                assert "healthcheck" in content["services"][name] or is_built
        used |= {volume.partition(":")[0] for volume in service.get("volumes") or ()}
        build = service.get("build")
        if build is not None:
            check_build(path, service, build)
    assert used == declared


def check_build(path: Path, service: dict[str, Any], build: dict[str, Any]) -> None:
    context = path.parent / build["context"]
    assert (context / build["dockerfile"]).is_file()
    for name, value in (build.get("args") or {}).items():
        assert re.search(rf"^ARG {name}\b", DOCKERFILE, re.MULTILINE)
        if name == "EXTRAS":
            check_extras(value)
    for port in service.get("ports") or ():
        assert f"EXPOSE {port.rpartition(':')[2]}\n" in DOCKERFILE
    for volume in service.get("volumes") or ():
        # A new volume has the owner of the folder in the image.
        assert re.search(rf"install --directory --owner=emulator .*{volume.partition(':')[2]}\b", DOCKERFILE)


def check_extras(value: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(filter(None, value.split(","))) <= set(project["optional-dependencies"])


def check_options(environment: dict[str, Any]) -> None:
    """Fail for a variable of the emulator that is no option, or has a value that the option refuses."""
    own = {name: value for name, value in environment.items() if name.startswith(ENVIRONMENT_PREFIX)}
    assert set(own) <= set(VARIABLES)
    load_settings({}, {name: str(value) for name, value in own.items() if "KEYS_FILE" not in name})


@functools.cache
def built(overlay: str) -> list[dict[str, Any]]:
    """The objects of an overlay, as they would be applied."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is missing; get it with: apt install kubectl, or kubernetes-client")
    ran = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / overlay)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return list(yaml.safe_load_all(ran.stdout))


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = built(request.param)
    return found


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only object of a kind that belongs to the server."""
    (found,) = [
        one for one in objects if one["kind"] == kind and not one["metadata"]["name"].startswith("dask")
    ]
    return found


def pod_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    return pod


def container_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (container,) = pod_of(objects)["containers"]
    found: dict[str, Any] = container
    return found


def examples() -> Iterator[dict[str, Any]]:
    """The Secrets that users make from the examples."""
    for path in KUBERNETES.glob("*/*.example.yaml"):
        yield from yaml.safe_load_all(path.read_text())


def test_the_objects_have_the_form_of_their_schemas(objects: list[dict[str, Any]]) -> None:
    reason = "get it with: pip install kubernetes-validate (108 MB)"
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason=reason)
    for one in (*objects, *examples()):
        kubernetes_validate.validate(one, KUBERNETES_VERSION, strict=True)
    container_of(objects)["no_such_key"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(of_kind(objects, "Deployment"), KUBERNETES_VERSION, strict=True)
    built.cache_clear()


def test_the_options_exist_and_their_values_are_accepted(objects: list[dict[str, Any]]) -> None:
    secrets = {one["metadata"]["name"]: one["stringData"] for one in examples()}
    values = dict(of_kind(objects, "ConfigMap")["data"])
    for variable in container_of(objects).get("env", ()):
        if "value" in variable:
            values[variable["name"]] = variable["value"]
        else:
            source = variable["valueFrom"]["secretKeyRef"]
            values[variable["name"]] = secrets[source["name"]][source["key"]]
    check_options(values)
    keys_file = Path(values[f"{ENVIRONMENT_PREFIX}KEYS_FILE"])
    mounts = {mount["mountPath"]: mount["name"] for mount in container_of(objects)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod_of(objects)["volumes"]}
    secret = secrets[volumes[mounts[str(keys_file.parent)]]["secret"]["secretName"]]
    assert keys_file.name in secret


def test_the_keys_of_the_example_are_read(tmp_path: Path) -> None:
    (secret,) = [one for one in examples() if "keys" in one["stringData"]]
    path = tmp_path / "keys"
    path.write_text(secret["stringData"]["keys"])
    read = load_settings({"keys_file": str(path)}, {})
    assert (read.training_keys, read.prediction_keys) == (("FIRST", "SECOND"), ("THIRD", "FOURTH"))


def test_the_objects_refer_to_each_other(objects: list[dict[str, Any]]) -> None:
    secrets = {one["metadata"]["name"] for one in examples()}
    container, pod = container_of(objects), pod_of(objects)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claim = of_kind(objects, "PersistentVolumeClaim")["metadata"]["name"]
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim
    for source in container["envFrom"]:
        if "configMapRef" in source:
            assert source["configMapRef"]["name"] == of_kind(objects, "ConfigMap")["metadata"]["name"]
        else:
            assert source["secretRef"]["name"] in secrets
    service = of_kind(objects, "Service")["spec"]
    labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    names = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["ports"]} <= names
    annotations = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(container["ports"][0]["containerPort"])


def test_the_pod_fits_the_image(objects: list[dict[str, Any]]) -> None:
    container, pod = container_of(objects), pod_of(objects)
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in DOCKERFILE
    assert f"USER {pod['securityContext']['runAsUser']}\n" in DOCKERFILE
    assert f'CMD ["{container["args"][0]}"]' in DOCKERFILE
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    (data,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {data, "/tmp"} <= paths  # what the program writes to
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_two_servers_never_share_the_volume_and_the_database(objects: list[dict[str, Any]]) -> None:
    deployment = of_kind(objects, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")


def test_variables_of_the_service_are_no_options(objects: list[dict[str, Any]]) -> None:
    """Kubernetes sets variables such as NAME_PORT in each pod that starts later."""
    name = of_kind(objects, "Service")["metadata"]["name"].upper().replace("-", "_")
    assert not {f"{name}_PORT", f"{name}_SERVICE_HOST", f"{name}_SERVICE_PORT"} & set(VARIABLES)
    assert pod_of(objects)["enableServiceLinks"] is False


def test_the_probes_are_answered(objects: list[dict[str, Any]], tmp_path: Path) -> None:
    container = container_of(objects)
    paths = {container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    for service in running_service(tmp_path / "data", host="0.0.0.0"):
        statuses = {path: service.send_unvalidated("GET", path, key=None).status_code for path in paths}
    # The threads of jobs do not run in this test.
    assert statuses == {"/_emulator/health/live": 200, "/_emulator/health/ready": 503}


def test_the_cluster_has_the_rights_and_names_of_the_server() -> None:
    objects = built("cluster")
    named = {(one["kind"], one["metadata"]["name"]): one["spec"] for one in objects if "spec" in one}
    server = container_of(objects)
    (url,) = [one["value"] for one in server["env"] if one["name"].endswith("_CLUSTER")]
    (port,) = named["Service", "dask-scheduler"]["ports"]
    assert url == f"tcp://dask-scheduler:{port['port']}"
    policy = named["NetworkPolicy", "custom-vision-cluster"]["podSelector"]["matchLabels"]
    for name in ("dask-scheduler", "dask-worker"):
        deployment = named["Deployment", name]
        labels = deployment["template"]["metadata"]["labels"]
        assert deployment["selector"]["matchLabels"].items() <= labels.items()
        assert policy.items() <= labels.items()
        (container,) = deployment["template"]["spec"]["containers"]
        assert container["image"] == server["image"]
        assert container["securityContext"] == server["securityContext"]
        assert deployment["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    (worker,) = named["Deployment", "dask-worker"]["template"]["spec"]["containers"]
    command, address, *more = worker["args"]
    assert address == url
    program = app.get_command(click.Context(app), command)
    assert program is not None
    context = program.make_context(command, [address, *more])
    assert context.params["scheduler"] == url
    assert worker["envFrom"][0] in server["envFrom"]
    check_extras("train,https,team,cluster")
