"""Problem: the whole YAML as one frozen object."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from models.discovery import discover, union
from models.search import Tuning
from models.settings import Quantize, Settings
from models.spec import FamilyParams, FeatureParams, TargetParams, Training
from pipeline.errors import InputError
from pipeline.judging import Evaluation
from pipeline.splits import HashSplit, Split, with_fold
from pipeline.splits.settings import SPLIT_KINDS
from pipeline.workspace import SERVING_FOLDER, Workspace, open_workspace
from pipeline.yaml_file import YamlFile, load_yaml
from serving.canary.plan import Plan

if TYPE_CHECKING:
    SourceParams = Any
else:
    SourceParams = union("pipeline.sources", "kind")

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


class DataGate(Settings):
    """What must hold of the data before a model is trained on it; checks are in pipeline/gate/checks.

    Attributes:
        block: checks whose findings stop the run, beside those that do by default.
        warn: checks whose findings are only told.
        ignore: checks that are not made.
        limits: settings of checks by name, `{leakage: {auc: 0.95}}`.
        serving: a file, a folder or a pattern of rows that served models were asked about, to look for skew.
    """

    block: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    limits: dict[str, dict[str, float]] = Field(default_factory=dict)
    serving: str | None = None


class Budget(Settings):
    """What a served model may take; above it a model is not pushed. 1 MB is 1,000,000 bytes.

    Attributes:
        p99_ms: milliseconds in which 99 of 100 requests of one row are answered, by a server on this machine.
        size_mb: of the model's files.
        rss_mb: the most memory of the server's process.
    """

    p99_ms: PositiveFloat | None = None
    size_mb: PositiveFloat | None = None
    rss_mb: PositiveFloat | None = None


class FeatureSelection(Settings):
    """Which features the model has: those that tell most of the label (mutual information on the train split).

    Attributes:
        keep: so many, of those that can be measured.
        min_bits: none that tells less.
        always: features that stay, whatever they tell.
    """

    keep: PositiveInt | None = None
    min_bits: float = Field(default=0.0, ge=0)
    always: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_bound(self) -> Self:
        if self.keep is None and not self.min_bits:
            msg = "expected keep, min_bits or both"
            raise ValueError(msg)
        return self


class Edge(Settings):
    """The model as one LiteRT file, for devices, beside what TensorFlow Serving reads.

    Attributes:
        quantize: what its weights are held in: 32 bits (`none`), `float16` or `int8`.
        max_difference: the most that it may answer other than the network: of probabilities and scores as such, of a
            label with a unit as a share of the largest answer; left out: 1e-5, of float16 0.01, of int8 0.1.
    """

    quantize: Quantize = "none"
    max_difference: PositiveFloat | None = None

    @property
    def limit(self) -> float:
        """The largest difference that is let through."""
        return self.max_difference or {"none": 1e-5, "float16": 1e-2, "int8": 1e-1}[self.quantize]


class Push(Settings):
    """Where a blessed model goes: `<workspace>/serving/<name>/<version>`, for TensorFlow Serving to watch.

    Attributes:
        keep: so many of the newest versions stay, beside labelled ones and the one that a rollback would go to.
        rollout: steps and rules by which a new version takes over; left out, it is served at once.
        edge: a file for devices that goes with it; left out: none.
    """

    keep: PositiveInt = 5
    rollout: Plan | None = None
    edge: Edge | None = None


def _spell_out(features: Any) -> Any:
    """Read `carrier: categorical` as `carrier: {kind: categorical}`."""
    if not isinstance(features, dict):
        return features
    return {name: {"kind": params} if isinstance(params, str) else params for name, params in features.items()}


def _refuse_serving(name: str) -> str:
    """Refuse the name of the folder that the pushed versions of all problems lie in."""
    if name.lower() == SERVING_FOLDER:
        msg = f"expected another name, for models are pushed to .penstock/{SERVING_FOLDER}; received '{name}'"
        raise ValueError(msg)
    return name


class Problem(Settings):
    """A problem: data, label and goal.

    Attributes:
        name: of the served model and of every folder.
        source: the table.
        split: which rows train, which evaluate, which test.
        schema_file: the curated schema; left out, TFX infers one in each run.
        target: the label and its kind.
        features: settings by column; left out, every column of the schema is used by its type.
        feature_selection: which of them the model has; left out: all.
        model: the network.
        training: how it is trained.
        data_gate: what its data must be like.
        tuning: how its hyperparameters are found; left out: those of `model` and `training` hold.
        evaluation: how it is judged.
        budget: what it may take when it is served.
        push: where it goes.
    """

    name: Annotated[str, AfterValidator(_refuse_serving)] = Field(pattern=NAME)
    source: SourceParams
    split: Split = HashSplit()
    schema_file: str | None = Field(default=None, alias="schema")
    target: TargetParams
    features: Annotated[dict[str, FeatureParams] | None, BeforeValidator(_spell_out)] = None
    feature_selection: FeatureSelection | None = None
    model: FamilyParams = Field(default={"family": "mlp"}, validate_default=True)
    training: Training = Training()
    data_gate: DataGate = DataGate()
    tuning: Tuning | None = None
    evaluation: Evaluation = Evaluation()
    budget: Budget = Budget()
    push: Push = Push()


class LoadedProblem(NamedTuple):
    """A problem with its file, to say where in it something is wrong.

    Attributes:
        problem: the typed content.
        file: the parsed YAML.
        root: the folder that paths in the YAML are relative to.
    """

    problem: Problem
    file: YamlFile
    root: Path

    @property
    def schema_path(self) -> Path | None:
        """The curated schema's file."""
        return self.root / self.problem.schema_file if self.problem.schema_file else None

    @property
    def workspace(self) -> Workspace:
        """Where its runs leave what they make."""
        return open_workspace(self.root, self.problem.name)

    def with_fold(self, fold: int | None) -> "LoadedProblem":
        """Return the problem with another of its split's folds to evaluate on; None changes nothing."""
        if fold is None:
            return self
        split = with_fold(self.problem.split, fold)
        return self._replace(problem=self.problem.model_copy(update={"split": split}))

    def complain(self, keys: tuple[str | int, ...], message: str) -> str:
        """Return `file:line: key.path: message`."""
        return f"{self.file.place(keys)}: {'.'.join(map(str, keys))}: {message}"


def load_problem(path: Path) -> LoadedProblem:
    """Read and validate a problem. Paths are relative to the folder above `problems/`, else to the YAML's own folder.

    Raises:
        InputError: all that is wrong, each with file, line and key path.
    """
    file = load_yaml(path)
    folder = path.resolve().parent
    root = folder.parent if folder.name == "problems" else folder
    try:
        return LoadedProblem(Problem.model_validate(file.content), file, root)
    except ValidationError as error:
        raise InputError(
            [_describe(file, problem["loc"], problem["type"], problem) for problem in error.errors()]
        ) from error


def _describe(file: YamlFile, location: tuple[str | int, ...], kind: str, problem: Any) -> str:
    """Turn one of pydantic's errors into `file:line: key.path: expected ..., received ...`."""
    tags = {tag for folder in PLUGINS for tag in discover(folder)} | SPLIT_KINDS
    # pydantic puts the union's tag into the path; the YAML has no such key
    keys = tuple(
        key
        for index, key in enumerate(location)
        if not (index and key in tags and (location[index - 1] in TAGGED or (location[0] == "features" and index == 2)))
    )
    place = f"{file.place(keys)}: {'.'.join(map(str, keys))}"
    received = problem["input"]
    if kind == "missing":
        return f"{place}: required, but missing"
    if kind == "extra_forbidden":
        name = ".".join(map(str, keys))
        return f"{file.spot(keys)}: {name}: unknown key{_suggest(str(keys[-1]), location[:-1])}"
    if kind.startswith("union_tag"):
        tag = problem["ctx"]["discriminator"].strip("'")
        place = f"{file.place((*keys, tag))}: {'.'.join(map(str, (*keys, tag)))}"
        if kind == "union_tag_not_found":
            return f"{place}: required, but missing"
        return f"{place}: expected one of {problem['ctx']['expected_tags']}, received '{problem['ctx']['tag']}'"
    reason = problem["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    return f"{place}: {reason}, received {str(received)!r:.80}" if "received" not in reason else f"{place}: {reason}"


PLUGINS = ("pipeline.sources", "models.features", "models.families", "models.targets")
TAGGED = {"source", "split", "target", "model"}


def _suggest(key: str, parents: tuple[str | int, ...]) -> str:
    """Return `; did you mean ...?` for a top-level key that nearly is one."""
    import difflib

    known = [field.alias or name for name, field in Problem.model_fields.items()] if not parents else []
    near = difflib.get_close_matches(key, known, 1)
    return f"; did you mean '{near[0]}'?" if near else ""
