"""Settings of a deployment, all of them optional: what `penstock deploy render --config deploy.yaml` reads."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""What Kubernetes takes for the names of most of its objects (RFC 1123)."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _refuse_floating(image: str) -> str:
    """Refuse an image that may be another one tomorrow."""
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in image and tag in {"", "latest"}:
        msg = f"expected an image with a tag other than latest, or a digest, received '{image}'"
        raise ValueError(msg)
    return image


Image = Annotated[str, AfterValidator(_refuse_floating)]
"""A container image that is pinned."""


class Images(_Settings):
    """The images, for a registry of one's own or another release.

    Attributes:
        server: TensorFlow Serving.
        server_gpu: the same for `--gpu`.
        proxy: nginx that runs as a user, with the templates of the official image.
    """

    server: Image = "tensorflow/serving:2.19.1"
    server_gpu: Image = "tensorflow/serving:2.19.1-gpu"
    proxy: Image = "nginxinc/nginx-unprivileged:1.28.0-alpine"


class Replicas(_Settings):
    """How many servers run, by the share of the requested processors that they use."""

    least: PositiveInt = 2
    most: PositiveInt = 6
    cpu_percent: Annotated[int, Field(ge=1, le=100)] = 70

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.least > self.most:
            msg = f"expected least up to most, received {self.least} and {self.most}"
            raise ValueError(msg)
        return self


class Resources(_Settings):
    """What one server may take.

    Attributes:
        cpus: whole processors; TensorFlow starts as many threads.
        memory_mb: in units of 1,000,000 bytes; left out, from the models' budgets or what their runs measured.
        gpus: with `--gpu`.
    """

    cpus: PositiveInt = 2
    memory_mb: PositiveInt | None = None
    gpus: PositiveInt = 1


class Batching(_Settings):
    """How TensorFlow Serving runs requests together that arrive together.

    Attributes:
        max_rows: of one batch.
        timeout_us: a batch waits so long for more rows.
        waiting_batches: of each model; beyond them requests are refused.
        allowed_sizes: batches are filled up to the next of these, the last is max_rows; empty for any size.
    """

    max_rows: PositiveInt = 1024
    timeout_us: Annotated[int, Field(ge=0)] = 1000
    waiting_batches: PositiveInt = 64
    allowed_sizes: tuple[PositiveInt, ...] = ()

    @model_validator(mode="after")
    def _ends_with_most(self) -> Self:
        sizes = self.allowed_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_rows):
            msg = f"expected allowed_sizes that grow up to max_rows ({self.max_rows}), received {list(sizes)}"
            raise ValueError(msg)
        return self


class Secret(_Settings):
    """Where the bearer token is on the cluster; compose takes it from the environment. Never the token itself."""

    name: Annotated[str, Field(pattern=NAME)] = "penstock-token"
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "token"


class Storage(_Settings):
    """Where the cluster finds the versions.

    Attributes:
        claim: a PersistentVolumeClaim that can be mounted on several nodes.
        folder: below it, with a folder a model, as .penstock/serving is.
        uri: for KServe in place of the claim: s3://bucket/folder, gs://..., with a folder a model.
        account: the ServiceAccount with the credentials for `uri`.
    """

    claim: Annotated[str, Field(pattern=NAME)] = "models"
    folder: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+/?)*$")] = ""
    uri: Annotated[str, Field(pattern=r"^[a-z0-9]+://[^?#]+[^/?#]$")] | None = None
    account: Annotated[str, Field(pattern=NAME)] | None = None


class Alerts(_Settings):
    """When Prometheus calls somebody.

    Attributes:
        p99_ms: 99 of 100 requests are answered in this time; left out, the models' budgets, else 250.
        error_share: of the requests that may end by a fault of the server.
    """

    p99_ms: PositiveFloat | None = None
    error_share: Annotated[float, Field(gt=0, lt=1)] = 0.01


class DeploySettings(_Settings):
    """The whole file.

    Attributes:
        name: of the deployment; left out, the model's if there is one model, else `models`.
        namespace: of the cluster.
        versions: `newest`, or those that the models.config beside the versions names, with its labels.
        batching: left out where a model takes lists of any length, which TensorFlow Serving does not put together.
        auth: where the bearer token is; null lets everybody ask who reaches the server.
        request_log: a JSON line a request on the proxy's output; with bodies, what was asked over REST as well.
        body_mb: of a request at most, in units of 1024 * 1024 bytes.
        clients: namespaces that may ask beside the deployment's own.
        monitoring: the namespace that may read metrics.
    """

    name: Annotated[str, Field(pattern=NAME)] | None = None
    namespace: Annotated[str, Field(pattern=NAME)] = "models"
    versions: Literal["newest", "labelled"] = "newest"
    images: Images = Images()
    replicas: Replicas = Replicas()
    resources: Resources = Resources()
    batching: Batching | None = Batching()
    auth: Secret | None = Secret()
    request_log: Literal["off", "lines", "bodies"] = "lines"
    body_mb: PositiveInt = 16
    storage: Storage = Storage()
    clients: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    monitoring: Annotated[str, Field(pattern=NAME)] = "monitoring"
    alerts: Alerts = Alerts()
