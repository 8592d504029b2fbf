"""What is rendered is valid for who reads it and holds nothing that must not be in it. Nothing here needs a network."""

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from serving.deployment.plan import Model, Plan, make_plan
from serving.deployment.render import render, write
from serving.deployment.settings import DeploySettings
from serving.server.exposition import PATHS

GOLDEN = Path(__file__).parent / "golden"
WRITE = "PENSTOCK_WRITE_GOLDEN"
TARGETS = ("compose", "kubernetes", "kserve")
FLIGHTS = Model("flights", memory_mb=484.2, p99_ms=50)
MODELS = {
    "flights": (FLIGHTS,),
    "shop": (Model("Shop_v1.2", memory_mb=700),),
    "clicks": (Model("clicks", takes_lists=True),),
    "together": (FLIGHTS, Model("Shop_v1.2"), Model("clicks")),
}
SETTINGS = {
    "usual": DeploySettings(),
    "bare": DeploySettings(auth=None, batching=None, request_log="off"),
    "all": DeploySettings.model_validate(
        {
            "namespace": "shop",
            "images": {"proxy": f"registry.example/nginx@sha256:{'0' * 64}"},
            "replicas": {"least": 1, "most": 3, "cpu_percent": 50},
            "resources": {"cpus": 8, "memory_mb": 3000, "gpus": 2},
            "batching": {"max_rows": 64, "timeout_us": 0, "allowed_sizes": [8, 64]},
            "auth": {"name": "models-token", "key": "bearer"},
            "request_log": "bodies",
            "storage": {"claim": "disk", "folder": "runs/serving", "uri": "s3://bucket/models", "account": "reader"},
            "clients": ["web", "batch"],
            "alerts": {"p99_ms": 20, "error_share": 0.001},
        }
    ),
}


def make(models: str = "flights", settings: str = "usual", gpu: bool = False) -> Plan:
    return make_plan(MODELS[models], SETTINGS[settings], gpu=gpu)


def files_of(plan: Plan, target: Any) -> dict[str, str]:
    """Return what is rendered, by the file's name."""
    files = render(plan, target, Path("/home/somebody/.penstock/serving"), Path("/home/somebody/deploy"))
    assert len({file.name for file in files}) == len(files)
    return {file.name: file.content for file in files}


def load(text: str) -> list[Any]:
    return list(YAML(typ="safe").load_all(io.StringIO(text)))


def documents_of(plan: Plan, target: str) -> dict[str, Any]:
    """Return the objects of a cluster by their kind; of several of a kind the last."""
    return {document["kind"]: document for document in load(files_of(plan, target)["manifests.yaml"])}


def values_of(node: Any, key: str) -> Iterator[Any]:
    """Yield whatever stands under this key, at any depth."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if name == key:
            yield value
        yield from values_of(value, key)


PLANS = {
    **{name: make(name) for name in MODELS},
    **{f"{name}-gpu": make(name, gpu=True) for name in MODELS},
    "together-all": make("together", "all", gpu=True),
    "flights-bare": make(settings="bare"),
}
every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


@every_plan
@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_objects_are_valid(plan, target, check_object):
    documents = load(files_of(plan, target)["manifests.yaml"])
    for document in documents:
        check_object(document)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(set(names)) == len(names) == (6 if target == "kubernetes" else 4 * len(plan.models))


def test_what_is_no_object_is_told_so(check_object):
    deployment = documents_of(make(), "kubernetes")["Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(Exception, match="volumeMount"):
        check_object(deployment)
    service = documents_of(make(), "kserve")["InferenceService"]
    service["spec"]["predictor"]["model"]["securityContext"]["runAsNonroot"] = True
    with pytest.raises(Exception, match="runAsNonroot"):
        check_object(service)


@every_plan
def test_compose_is_valid_and_mounts_what_is_there(plan, check_compose):
    files = files_of(plan, "compose")
    (document,) = load(files["compose.yaml"])
    check_compose(document)
    assert {config["file"] for config in document["configs"].values()} <= {f"./{name}" for name in files}
    used = {config["source"] for service in document["services"].values() for config in service["configs"]}
    assert used == set(document["configs"])


@every_plan
@pytest.mark.parametrize("target", TARGETS)
def test_text_protos_are_messages_of_tensorflow_serving(plan, target, parse_proto):
    files = files_of(plan, target)
    if target != "compose":
        documents = load(files["manifests.yaml"])
        files = {k: v for each in documents if each["kind"] == "ConfigMap" for k, v in each["data"].items()}
    monitoring = parse_proto("MonitoringConfig", files["monitoring.config"])
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == PATHS[0]
    if target != "kserve":
        models = parse_proto("ModelServerConfig", files["models.config"]).model_config_list.config
        found = [(each.name, each.base_path, each.model_platform) for each in models]
        assert found == [(each.name, f"/models/{each.name}", "tensorflow") for each in plan.models]
        assert all(each.model_version_policy.latest.num_versions == 1 for each in models)
    if "batching.config" in files:
        batching = parse_proto("BatchingParameters", files["batching.config"])
        assert batching.max_batch_size.value == plan.settings.batching.max_rows
        assert batching.batch_timeout_micros.value == plan.settings.batching.timeout_us
        assert batching.num_batch_threads.value == plan.settings.resources.cpus
        assert tuple(batching.allowed_batch_sizes) == plan.settings.batching.allowed_sizes


@every_plan
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_floats_nobody_is_root_no_secret_is_told(plan, target, monkeypatch):
    monkeypatch.setenv("PENSTOCK_TOKEN", "s3cret")
    files = files_of(plan, target)
    assert "s3cret" not in str(files)
    documents = load(files["compose.yaml" if target == "compose" else "manifests.yaml"])
    assert "Secret" not in {document.get("kind") for document in documents}
    for image in values_of(documents, "image"):
        assert re.search(r":[\w.-]*\d[\w.-]*$", image), image
        assert not image.endswith("latest")
    if target == "compose":
        for service in documents[0]["services"].values():
            assert service["user"].split(":")[0] != "0"
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        return
    for kind, container in containers_of(documents):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"], kind
        assert context["runAsNonRoot"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False
    assert set(values_of(documents, "runAsUser")) == {1000}
    assert set(values_of(documents, "automountServiceAccountToken")) == {False}


def containers_of(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    for document in documents:
        for pod in values_of(document, "containers"):
            yield from ((document["kind"], container) for container in pod)
        yield from ((document["kind"], model) for model in values_of(document, "model"))


@every_plan
@pytest.mark.parametrize("host", ["compose", "kubernetes"])
def test_the_proxy_is_configured_as_nginx_reads_it(plan, host, tmp_path):
    import crossplane

    content = files_of(plan, "compose")["nginx.conf.template"]
    if host == "kubernetes":
        content = documents_of(plan, "kubernetes")["ConfigMap"]["data"]["nginx.conf.template"]
    # as the image includes it; crossplane is older than the directive http2, which nginx has from 1.25.1 on
    content = content.replace("${PENSTOCK_TOKEN}", "t0ken").replace("  http2 on;\n", "")
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{content}\n}}\n")
    found = crossplane.parse(str(tmp_path / "nginx.conf"), strict=True, check_ctx=True, check_args=True)
    assert found["status"] == "ok", found["errors"]
    servers = [each for each in found["config"][0]["parsed"][1]["block"] if each["directive"] == "server"]
    guarded = {
        directive["args"][0]: any(each["directive"] == "if" for each in server["block"])
        for server in servers
        for directive in server["block"]
        if directive["directive"] == "listen"
    }
    asks = plan.settings.auth is not None
    assert guarded == {"8501": asks, "8500": asks, "9090": False}
    paths = [each["args"] for server in servers for each in server["block"] if each["directive"] == "location"]
    assert ["=", "/tensorflow.serving.ModelService/GetModelStatus"] in paths
    assert not [args for args in paths if "Reload" in args[-1] or args == ["/tensorflow.serving.ModelService/"]]


def test_the_log_has_bodies_only_where_it_is_told_to():
    logs = {name: files_of(make(settings=name), "compose")["nginx.conf.template"] for name in SETTINGS}
    assert "access_log off;" in logs["bare"].split("server {")[0]
    assert "$request_body" not in logs["usual"]
    assert "access_log /dev/stdout requests;" in logs["usual"]
    assert "$request_body" in logs["all"]


def test_memory_is_the_budget_or_what_was_measured_with_room_for_two_versions():
    assert make("flights").memory_mb == 800  # 1.5 * 484.2, in whole hundreds
    assert make("clicks").memory_mb == 2000
    assert make("together").memory_mb == 4800  # 726.3 + 2000 + 2000
    assert make("flights", "all").memory_mb == 3000
    limits = documents_of(make("flights"), "kubernetes")["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert limits["resources"]["limits"] == {"memory": "800000000"}


def test_a_gpu_is_asked_for_by_image_limit_and_toleration():
    plan = make("flights", "all", gpu=True)
    pod = documents_of(plan, "kubernetes")["Deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "tensorflow/serving:2.19.1-gpu"
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    predictor = documents_of(plan, "kserve")["InferenceService"]["spec"]["predictor"]
    assert predictor["model"]["image"] == "tensorflow/serving:2.19.1-gpu"
    assert predictor["tolerations"] == pod["tolerations"]
    (compose,) = load(files_of(plan, "compose")["compose.yaml"])
    assert list(values_of(compose, "devices")) == [[{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]]


def test_models_come_from_where_the_settings_say():
    (compose,) = load(files_of(make(), "compose")["compose.yaml"])
    (volume,) = compose["services"]["server"]["volumes"]
    assert volume["source"] == "${PENSTOCK_MODELS:-../.penstock/serving}"
    assert (volume["target"], volume["read_only"]) == ("/models", True)
    pod = documents_of(make(settings="all"), "kubernetes")["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "disk", "readOnly": True}
    mount = {"name": "models", "mountPath": "/models", "readOnly": True, "subPath": "runs/serving"}
    assert pod["containers"][0]["volumeMounts"][0] == mount
    uris = {name: list(values_of(documents_of(make(settings=name), "kserve"), "storageUri")) for name in SETTINGS}
    assert uris["usual"] == ["pvc://models/flights"]
    assert uris["all"] == ["s3://bucket/models/flights"]


def test_only_those_who_are_named_reach_the_server():
    policy = documents_of(make(settings="all"), "kubernetes")["NetworkPolicy"]["spec"]
    asked, watched = policy["ingress"]
    names = [peer["namespaceSelector"]["matchLabels"] for peer in asked["from"] if "namespaceSelector" in peer]
    assert [each["kubernetes.io/metadata.name"] for each in names] == ["web", "batch"]
    assert {port["port"] for port in asked["ports"]} == {8500, 8501}  # the proxy's, not the server's own
    assert [port["port"] for port in watched["ports"]] == [9090]
    assert policy["egress"] == []
    # KServe's init container must reach the bucket
    assert documents_of(make(settings="all"), "kserve")["NetworkPolicy"]["spec"]["egress"] == [{}]


def test_labelled_versions_follow_the_file_beside_them():
    labelled = DeploySettings(versions="labelled")
    plan = make_plan(MODELS["flights"], labelled, gpu=False)
    files = files_of(plan, "compose")
    assert "models.config" not in files
    (compose,) = load(files["compose.yaml"])
    command = compose["services"]["server"]["command"]
    assert "--model_config_file=/models/flights/models.config" in command
    assert "--model_config_file_poll_wait_seconds=5" in command
    with pytest.raises(Exception, match=r"labelled: expected one model.*received 3"):
        make_plan(MODELS["together"], labelled, gpu=False)
    with pytest.raises(Exception, match="expected newest"):
        files_of(plan, "kserve")


def test_new_settings_replace_the_pods():
    def digest(settings: DeploySettings) -> Any:
        plan = make_plan(MODELS["flights"], settings, gpu=False)
        return list(values_of(documents_of(plan, "kubernetes"), "penstock/config"))

    assert digest(DeploySettings()) == digest(DeploySettings())
    assert digest(DeploySettings()) != digest(DeploySettings(body_mb=1))


@every_plan
@pytest.mark.parametrize("target", TARGETS)
def test_rules_and_dashboard_ask_for_metrics_that_the_embedded_server_has_too(plan, target, ask):
    import promql_parser

    files = files_of(plan, target)
    (rules,) = load(files["prometheus-rules.yaml"])
    dashboard = json.loads(files["grafana-dashboard.json"])
    ask("POST", "/v1/models/m:predict", json={"instances": [1]})
    told = ask("GET", PATHS[0]).text
    expressions = [*values_of(rules, "expr"), *values_of(dashboard, "expr")]
    assert len(expressions) == 4 * len(plan.models) + 8
    for expression in expressions:
        promql_parser.parse(expression)
        for name in re.findall(r":tensorflow:[\w:]+", expression):
            assert re.search(rf"^(# HELP )?{name}[ {{]", told, re.MULTILINE), name
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"\d+m", rule["for"])
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert ids == list(range(1, len(ids) + 1))
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"source", "model"}


def test_alerts_have_the_limits_of_the_model():
    def slow(models: str, settings: str = "usual") -> str:
        (rules,) = load(files_of(make(models, settings), "compose")["prometheus-rules.yaml"])
        return rules["groups"][0]["rules"][1]["expr"]

    assert slow("flights").endswith("> 50000")  # its budget, in microseconds
    assert slow("shop").endswith("> 250000")
    assert slow("flights", "all").endswith("> 20000")


def test_rules_of_kserve_name_models_as_its_servers_do():
    (rules,) = load(files_of(make("shop"), "kserve")["prometheus-rules.yaml"])
    errors, _, _, absent = (rule["expr"] for rule in rules["groups"][0]["rules"])
    assert 'model_name="shop-v1-2"' in errors
    assert 'pod=~"shop-v1-2-predictor-.*"' in absent
    (rules,) = load(files_of(make("shop"), "kubernetes")["prometheus-rules.yaml"])
    errors, _, _, absent = (rule["expr"] for rule in rules["groups"][0]["rules"])
    assert 'model_name="Shop_v1.2"' in errors
    assert 'model_path=~"/models/Shop_v1[.]2/.*"' in absent


def test_files_are_written_as_they_were_rendered(tmp_path):
    files = render(make(), "compose", tmp_path / "serving", tmp_path / "out")
    assert [path.read_text() for path in write(files, tmp_path / "out")] == [file.content for file in files]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {file.name for file in files}


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
@pytest.mark.parametrize("target", TARGETS)
def test_rendered_files_are_as_they_were(target, gpu):
    """With $PENSTOCK_WRITE_GOLDEN set, what is rendered now is what is right from now on."""
    files = files_of(make(gpu=gpu), target)
    text = "\n".join(f"==> {name} <==\n{content}" for name, content in files.items())
    golden = GOLDEN / f"{target}{'-gpu' if gpu else ''}.txt"
    if os.environ.get(WRITE):
        golden.write_text(text, "utf-8")
    assert golden.read_text("utf-8") == text
