"""The chart renders, with all that can be chosen, to what Kubernetes and KubeRay accept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray._common.utils import import_attr
from ray.serve.schema import ServeDeploySchema

from cluster.config import SenConfig, read_config
from deploy.application import Arguments
from deploy.flags import FAST

helm = pytest.importorskip("helm_python", reason="needs Helm (pip install helm-python-sdk)")
kubernetes = pytest.importorskip(
    "kubernetes_validate", reason="needs kubernetes-validate (pip install kubernetes-validate)"
)

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "sen"
KUBERAY = json.loads((ROOT / "tests" / "data" / "kuberay.schema.json").read_text(encoding="utf-8"))
OLDEST, NEWEST = "1.30", "1.36"
"""Versions of Kubernetes whose schemas the manifests are held against."""

KEYS = {"keys": {"secret": "api-keys"}}
CHOICES: Mapping[str, dict[str, Any]] = {
    "defaults": {},
    "cluster": {"mode": "cluster"},
    "cluster with own token": {"mode": "cluster", "token": {"secret": "ray-token"}},
    "bucket": {
        "store": {"uri": "s3://bucket/sen"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    },
    "own claim": {"store": {"volume": {"claim": "shared"}}},
    "keys in the values": {"keys": {"lines": "camera predict 3f9a12bc 00ff", "secret": ""}},
    "gpu": {
        "gpuWorkers": {"enabled": True, "image": {"tag": "0.1.0-cuda"}},
        "settings": {"expansion": {"gpus": 1}},
    },
    "everything else": {
        "image": {"pullSecrets": ["registry"], "tag": "test"},
        "token": {"secret": "ray-token"},
        "serve": {"port": 9000},
        "head": {"env": [{"name": "A", "value": "b"}], "nodeSelector": {"disk": "fast"}},
        "workers": {"tolerations": [{"key": "x", "operator": "Exists"}]},
        "podDisruptionBudget": {"head": 1, "workers": 2},
        "networkPolicy": {"clients": [{"podSelector": {"matchLabels": {"app": "gateway"}}}]},
        "upgrade": {"strategy": "None"},
        "settings": {"slots": {"per_node": 4}, "serve": {"access_log": "info"}},
    },
    "little": {
        "autoscaling": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False, "name": "shared"},
    },
}


def rendered(values: Mapping[str, Any], release: str = "letters") -> list[dict[str, Any]]:
    """All manifests of a release, with API keys unless `values` say otherwise."""
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema({**KEYS, **values})
        files = chart.render({**KEYS, **values}, name=release, namespace="ml")
    texts = [text for name, text in files.items() if not name.endswith("NOTES.txt")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def one(values: Mapping[str, Any], *kinds: str) -> dict[str, Any]:
    [found] = [each for each in rendered(values) if each["kind"] in kinds]
    return found


def cluster_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The Ray cluster's part of a release."""
    spec: dict[str, Any] = one(values, "RayService", "RayCluster")["spec"]
    cluster: dict[str, Any] = spec.get("rayClusterConfig", spec)
    return cluster


def templates(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The pods of head and workers."""
    cluster = cluster_of(values)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        yield group["template"]


def settings_of(values: Mapping[str, Any], folder: Path) -> SenConfig:
    """The network's settings, as our own reader understands them."""
    path = folder / "sen.yaml"
    path.write_text(one(values, "ConfigMap")["data"]["sen.yaml"], encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_every_manifest(values: dict[str, Any], version: str) -> None:
    manifests = [each for each in rendered(values) if not each["apiVersion"].startswith("ray.io")]
    pods = [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": each}
        for each in templates(values)
    ]
    for manifest in [*manifests, *pods]:
        kubernetes.validate(manifest, version, strict=True)


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_kuberay_accepts_the_network(values: dict[str, Any]) -> None:
    jsonschema.validate(one(values, "RayService", "RayCluster"), KUBERAY)


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_kuberay_s_operator_would_not_refuse_it(values: dict[str, Any]) -> None:
    """What it checks across fields beyond its schema (validation.go in its source)."""
    network, cluster = one(values, "RayService", "RayCluster"), cluster_of(values)
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", network["metadata"]["name"])
    assert len(network["metadata"]["name"]) <= 47
    assert network["spec"].get("upgradeStrategy", {}).get("type", "None") in ("NewCluster", "None")
    assert "headService" not in cluster["headGroupSpec"], "its name is KubeRay's to give"
    assert not any("suspend" in group for group in cluster["workerGroupSpecs"])
    redis = ("REDIS_USERNAME", "REDIS_PASSWORD", "RAY_REDIS_ADDRESS")
    for template in templates(values):
        (container, *_) = template["spec"]["containers"]
        assert not any(variable["name"] in redis for variable in container["env"])
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert not any(name.startswith("redis-") for name in group["rayStartParams"])


@pytest.mark.parametrize("release", ["1letters", "letters.v2"])
def test_a_release_that_kuberay_would_not_take_by_its_name_is_refused(release: str) -> None:
    with pytest.raises(helm.HelmError, match=f"called {re.escape(release)}.*a letter first"):
        rendered({}, release)


def test_the_checks_notice_what_is_wrong() -> None:
    network = one({}, "RayService")
    network["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["minReplica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        jsonschema.validate(network["spec"]["rayClusterConfig"], cluster_schema())
    claim = one({}, "PersistentVolumeClaim")
    claim["spec"]["storageClas"] = "fast"
    with pytest.raises(kubernetes.ValidationError, match="storageClas"):
        kubernetes.validate(claim, NEWEST, strict=True)


def cluster_schema() -> dict[str, Any]:
    return {"definitions": KUBERAY["definitions"], "$ref": "#/definitions/cluster"}


def test_helm_finds_nothing_to_complain_about() -> None:
    report = helm.chart.lint(CHART, KEYS, strict=True)
    assert [each for each in report["messages"] if each["severity"] > 1] == []
    assert report["errors"] == []


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_the_settings_are_ones_that_the_network_knows(
    values: dict[str, Any], tmp_path: Path
) -> None:
    config = settings_of(values, tmp_path)
    told = ServeDeploySchema.model_validate(
        yaml.safe_load(one(values, "ConfigMap")["data"]["serve.yaml"])
    )
    assert (config.serve.host, config.serve.port) == ("0.0.0.0", told.http_options.port)
    [application] = told.applications
    assert callable(import_attr(application.import_path))
    assert Arguments.model_validate(application.args).config == "/etc/sen/sen.yaml"


def test_settings_of_the_values_reach_the_network(tmp_path: Path) -> None:
    config = settings_of(CHOICES["everything else"], tmp_path)
    assert (config.slots.per_node, config.serve.access_log) == (4, "info")
    assert settings_of(CHOICES["bucket"], tmp_path).store == "s3://bucket/sen"


def test_a_service_and_a_cluster_are_told_the_same() -> None:
    config = one({"mode": "cluster"}, "ConfigMap")["data"]["serve.yaml"]
    assert yaml.safe_load(one({}, "RayService")["spec"]["serveConfigV2"]) == yaml.safe_load(config)
    [container] = one({"mode": "cluster"}, "Job")["spec"]["template"]["spec"]["containers"]
    assert container["command"][-1] == container["volumeMounts"][0]["mountPath"]
    assert "http://letters-head-svc:8265" in container["command"]


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_every_pod_is_unprivileged_probed_bounded_and_has_the_flags_of_serve(
    values: dict[str, Any],
) -> None:
    for template in templates(values):
        spec = template["spec"]
        [container] = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["livenessProbe"] and container["readinessProbe"]
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        env = {each["name"]: each["value"] for each in container["env"]}
        assert dict(FAST).items() <= env.items()
    assert cluster_of(values)["authOptions"]["mode"] == "token"


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_what_is_mounted_is_there(values: dict[str, Any]) -> None:
    manifests = rendered(values)
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    given = {"api-keys", "shared"}  # of the choices that name something of the user's
    for template in templates(values):
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        assert {mount["name"] for mount in mounts} == set(volumes)
        secret = volumes["keys"]["secret"]["secretName"]
        assert ("Secret", secret) in names or secret in given
        assert ("ConfigMap", volumes["settings"]["configMap"]["name"]) in names
        if store := volumes.get("store"):
            claim = store["persistentVolumeClaim"]["claimName"]
            assert ("PersistentVolumeClaim", claim) in names or claim in given
        account = template["spec"]["serviceAccountName"]
        assert ("ServiceAccount", account) in names or account in given


def test_a_change_of_the_settings_is_a_new_cluster() -> None:
    key = "checksum/settings"
    changed = {"settings": {"slots": {"per_node": 3}}}
    before = {each["metadata"]["annotations"][key] for each in templates({})}
    after = {each["metadata"]["annotations"][key] for each in templates(changed)}
    assert len(before) == len(after) == 1 and before != after
    assert one({}, "RayService")["spec"]["upgradeStrategy"] == {"type": "NewCluster"}


def test_requests_go_only_to_workers_whose_proxy_answers() -> None:
    def asked(values: Mapping[str, Any]) -> list[bool]:
        probes = (each["spec"]["containers"][0]["readinessProbe"] for each in templates(values))
        return ["/-/healthz" in probe["exec"]["command"][-1] for probe in probes]

    assert asked({}) == [False, True]
    assert asked({"mode": "cluster"}) == [False, False]


def test_only_the_pod_of_the_autoscaler_may_talk_to_kubernetes() -> None:
    def allowed(values: Mapping[str, Any]) -> list[bool]:
        return [each["spec"]["automountServiceAccountToken"] for each in templates(values)]

    assert allowed({}) == [True, False]
    assert allowed({"autoscaling": {"enabled": False}}) == [False, False]


def test_gpus_are_asked_for_by_their_own_group_alone() -> None:
    limits = [
        each["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu")
        for each in templates(CHOICES["gpu"])
    ]
    assert limits == [None, None, 1]
    images = [each["spec"]["containers"][0]["image"] for each in templates(CHOICES["gpu"])]
    assert images == ["sen:0.1.0", "sen:0.1.0", "sen:0.1.0-cuda"]


def test_dashboard_and_metrics_are_not_for_everyone() -> None:
    rules = one({}, "NetworkPolicy")["spec"]["ingress"]
    ports = [{port["port"] for port in rule.get("ports", [])} for rule in rules if "from" in rule]
    open_to_all = [rule["ports"] for rule in rules if "from" not in rule]
    assert open_to_all == [[{"port": 8000, "protocol": "TCP"}]]
    assert {8265, 52365, 8000} in ports and {8080} in ports
    clients = one(CHOICES["everything else"], "NetworkPolicy")["spec"]["ingress"]
    assert all("from" in rule for rule in clients)


def test_a_network_without_api_keys_is_refused() -> None:
    with pytest.raises(helm.HelmError, match=r"keys\.secret or keys\.lines"):
        rendered({"keys": {}})


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 3},
        {"mode": "job"},
        {"settings": {"store": "s3://elsewhere"}},
        {"settings": {"serve": {"port": 80}}},
        {"settings": {"serve": {"grpc_port": 8001}}},
        {"store": {"uri": "/mnt/store"}},
        {"store": {"uri": "s3://bucket/sen?region=eu-central-1"}},
        {"gpuWorkers": {"gpus": 0}},
        {"upgrade": {"strategy": "Rolling"}},
        {"serve": {"port": 80}},
    ],
    ids=json.dumps,
)
def test_values_that_are_wrong_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        rendered(values)


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'version="{chart["appVersion"]}"' in setup
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    pins = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={values['rayVersion']}" in pins
