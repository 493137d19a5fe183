"""The files for Google Cloud and Kubernetes are valid, and name nobody's project."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from server.settings import Settings, unknown_settings
from tests.kit.live import serve
from tests.kit.stage import ROOT

DEPLOY = ROOT / "server/deploy"
SCRIPTS = sorted([ROOT / ".ci/run", *DEPLOY.glob("*.sh")])
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
KUBERNETES = "1.37"
MEGA = 1_000_000
# MB. With the committed model an idle server takes 140, each runner 5, a report 350; other models
# take more. With CUDA nobody has measured it yet.
IDLE, IDLE_CUDA, RUNNER, MONITORING = 200, 4000, 20, 450
CRDS = {"ServiceMonitor"}  # Prometheus's operator brings their schemas


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def tool(name: str, *words: str | Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(name), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_passes_shellcheck(script: Path) -> None:
    tool("shellcheck", script)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_valid_and_pins_its_actions(workflow: Path) -> None:
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        tool("check-jsonschema", "--builtin-schema", schema, workflow)
    for action in re.findall(r"uses: (\S+)", workflow.read_text()):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), action


def test_cloud_build_is_valid() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.cloudbuild", DEPLOY / "cloudbuild.yaml")


def test_kubernetes_objects_are_valid() -> None:
    kinds = set()
    for document in documents("kubernetes.yaml"):
        kinds.add(document["kind"])
        if document["kind"] not in CRDS:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
    assert kinds == {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceMonitor",
    }


def test_a_cluster_is_valid_and_nobody_else_reaches_its_ports() -> None:
    text = (DEPLOY / "dask.yaml").read_text().replace("${WORKERS}", "2")
    scheduler, service, worker, policy = yaml.safe_load_all(text)
    for document in (scheduler, service, worker, policy):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    listening = set()
    for deployment in (scheduler, worker):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        # plain `dask` does not look for code where it is started
        assert container["command"][:3] == ["python", "-m", "dask"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        assert environment["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"
        listening |= {port["containerPort"] for port in container["ports"]}
    [rule] = policy["spec"]["ingress"]
    assert {port["port"] for port in rule["ports"]} == listening
    assert all("podSelector" in one and "ipBlock" not in one for one in rule["from"])


@pytest.mark.parametrize("name", ["cloudrun.yaml", "cloudrun-gpu.yaml"])
def test_a_service_of_cloud_run_is_a_valid_pod_but_for_what_knative_adds(name: str) -> None:
    [service] = documents(name)
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")
    spec = dict(service["spec"]["template"]["spec"])
    assert {type(spec.pop(name)) for name in ("containerConcurrency", "timeoutSeconds")} == {int}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    values = service["spec"]["template"]["metadata"]["annotations"].values()
    assert all(isinstance(value, str) for value in values)


def containers() -> list[tuple[str, dict[str, Any]]]:
    deployment = documents("kubernetes.yaml")[0]
    found = {name: documents(name)[0] for name in ("cloudrun.yaml", "cloudrun-gpu.yaml")}
    found["kubernetes.yaml"] = deployment
    return [(name, one["spec"]["template"]["spec"]["containers"][0]) for name, one in found.items()]


def test_what_they_set_and_ask_the_server_has(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model) as live:
        for name, container in containers():
            environment = {one["name"]: one["value"] for one in container["env"]}
            assert not unknown_settings(environment), name
            for probe in ("startupProbe", "livenessProbe"):
                path = container[probe]["httpGet"]["path"]
                assert live.client.get(path).status_code == 200, (name, path)


def test_a_server_as_they_set_it_fits_in_the_memory_that_they_give_it() -> None:
    """All that may be taken at once, by the settings, and what was measured of the rest."""
    for name, container in containers():
        environment = {one["name"]: one["value"] for one in container["env"]}
        environment = {key: value for key, value in environment.items() if "$" not in value}
        settings = Settings.read(environment)
        on_gpu = "gpu" in name
        threads = (1 + settings.decoders) if on_gpu else settings.runners
        assert threads, f"{name}: else as many as there are cores"
        taken = settings.max_decoding_bytes + 2 * settings.max_held_bytes
        total = (IDLE_CUDA if on_gpu else IDLE) + threads * RUNNER + MONITORING + taken // MEGA
        memory = container["resources"]["limits"]["memory"]
        assert memory.endswith("Gi")
        assert total * MEGA < int(memory[:-2]) * 2**30, name
        assert f"in all {total:,} MB" in (DEPLOY / name).read_text(), name


def test_an_idle_server_takes_no_more_than_they_count_for_it(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, RUNNERS="1") as live:
        assert live.client.get("/health/ready").status_code == 200
        status = Path(f"/proc/{live.process.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 < IDLE * MEGA


def test_alerts_ask_for_metrics_that_the_server_has(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model) as live:
        live.client.get("/health/live")
        known = set(re.findall(r"^# TYPE (\w+)", live.client.get("/metrics").text, re.MULTILINE))
    [group] = documents("alerts.yaml")[0]["groups"]
    queue = documents("kubernetes.yaml")[2]["spec"]["metrics"][1]["pods"]["metric"]["name"]
    assert queue in known
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        named = re.findall(r"\b((?:http|prediction|server|execution)_\w+)", rule["expr"])
        assert named, rule["alert"]
        for name in named:
            assert name.removesuffix("_bucket") in known, (rule["alert"], name)


def test_no_project_region_or_bucket_is_named() -> None:
    files = [*DEPLOY.iterdir(), *WORKFLOWS]
    for file in files:
        text = file.read_text()
        assert not re.search(r"\b(us|europe|asia)-(central|east|west|north|south)\w*\d", text), file
        assert not re.search(r"gs://(?!\$|BUCKET|\.\.\.|bucket)\w", text), file
