"""TensorFlow Serving's arguments and the text protos that they name.

https://www.tensorflow.org/tfx/serving/serving_config
"""

from __future__ import annotations

from google.protobuf import text_format

from serving.deployment.plan import File, Plan
from serving.model_config import FILE, MOUNTED

REST_PORT, GRPC_PORT = 18501, 18500
"""Behind the proxy, which has the usual ones."""
CONFIG = "/config"
"""Where the files are mounted."""
METRICS_PATH = "/monitoring/prometheus/metrics"

MODELS, BATCHING, MONITORING = FILE, "batching.config", "monitoring.config"
LOOK_S = 5
TIMEOUT_MS = 30_000


def list_arguments(plan: Plan) -> list[str]:
    """Return the arguments of tensorflow_model_server behind the proxy."""
    labelled = plan.settings.versions == "labelled"
    models = f"{MOUNTED}/{plan.models[0].name}/{FILE}" if labelled else f"{CONFIG}/{MODELS}"
    # what `penstock models label` writes changes under the server; a label may come before its version is loaded
    follow = [f"--model_config_file_poll_wait_seconds={LOOK_S}", "--allow_version_labels_for_unavailable_models=true"]
    return [
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--rest_api_timeout_in_ms={TIMEOUT_MS}",
        f"--model_config_file={models}",
        *(follow if labelled else []),
        f"--file_system_poll_wait_seconds={LOOK_S}",
        *list_shared_arguments(plan),
    ]


def list_shared_arguments(plan: Plan) -> list[str]:
    """Return those that a server also takes whose ports and models somebody else sets."""
    cpus = plan.settings.resources.cpus
    batching = ["--enable_batching=true", f"--batching_parameters_file={CONFIG}/{BATCHING}"]
    return [
        f"--monitoring_config_file={CONFIG}/{MONITORING}",
        f"--tensorflow_intra_op_parallelism={cpus}",
        f"--tensorflow_inter_op_parallelism={cpus}",
        *(batching if plan.batches else []),
    ]


def render_models(plan: Plan) -> list[File]:
    """Return the models.config: the newest version of each model. None where the one beside the versions counts."""
    from serving.protos import ModelServerConfig

    if plan.settings.versions == "labelled":
        return []
    config = ModelServerConfig()
    for model in plan.models:
        entry = config.model_config_list.config.add(
            name=model.name, base_path=f"{MOUNTED}/{model.name}", model_platform="tensorflow"
        )
        entry.model_version_policy.latest.num_versions = 1
    return [File(MODELS, text_format.MessageToString(config))]


def render_parameters(plan: Plan) -> list[File]:
    """Return batching.config, if there is batching, and monitoring.config.

    tensorflow-serving-api leaves these two messages out; tests parse them by TensorFlow Serving's own descriptors.
    """
    monitoring = f'prometheus_config {{ enable: true path: "{METRICS_PATH}" }}\n'
    return [*_render_batching(plan), File(MONITORING, monitoring)]


def _render_batching(plan: Plan) -> list[File]:
    batching = plan.settings.batching
    if batching is None or not plan.batches:
        return []
    values = {
        "max_batch_size": batching.max_rows,
        "batch_timeout_micros": batching.timeout_us,
        "max_enqueued_batches": batching.waiting_batches,
        "num_batch_threads": plan.settings.resources.cpus,
    }
    lines = [f"{name} {{ value: {value} }}\n" for name, value in values.items()]
    lines += [f"allowed_batch_sizes: {size}\n" for size in batching.allowed_sizes]
    return [File(BATCHING, "".join(lines))]
