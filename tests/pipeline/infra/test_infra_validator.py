"""The component: what TFX's Pusher and the run's result read of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import InputError, RunError
from pipeline.infra.parity import PARITY_FILE, Parity
from pipeline.infra.verdict import Verdict, read_infra

pytestmark = pytest.mark.tensorflow
PARITY = Parity(rows=2, tolerance=1e-5, relative=False, differences={"rest": 0.0, "grpc": None})


@pytest.fixture
def judged(exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`judged(verdict)`: the blessing that the executor makes of it, and the candidate that it asked about."""
    from tfx.types import artifact_utils, standard_artifacts
    from tfx.utils import json_utils

    from pipeline.components import infra_validator
    from pipeline.problem import Budget

    model, examples, blessing = (
        standard_artifacts.Model(),
        standard_artifacts.Examples(),
        standard_artifacts.InfraBlessing(),
    )
    model.uri, blessing.uri = str(exported.folder.parent), str(tmp_path / "blessing")
    examples.uri = str(exported.files[0].parents[1])
    examples.split_names = artifact_utils.encode_split_names(["train"])
    request = infra_validator.Request(
        spec=exported.spec, budget=Budget(p99_ms=50), split="train", binary=None, code="1"
    )
    asked: list[Any] = []

    def run(verdict: Verdict | Exception) -> tuple[Any, Any]:
        def judge(*arguments: Any) -> Verdict:
            asked.append(arguments)
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        monkeypatch.setattr(infra_validator, "judge", judge)
        properties = {"request": json_utils.dumps(request.model_dump_json())}
        infra_validator.Executor().Do({"model": [model], "examples": [examples]}, {"blessing": [blessing]}, properties)
        return blessing, asked[-1]

    return run


def run_of(blessing: Any) -> Any:
    return SimpleNamespace(output=lambda type_name: blessing if type_name == "InfraBlessing" else None)


def test_a_model_without_refusals_is_blessed(judged: Any, exported: Any) -> None:
    from tfx.components.util.model_utils import is_infra_validated

    verdict = Verdict(server="s", size_mb=1.5, p99_ms=2.0, rss_mb=800.0, parity=PARITY)
    blessing, (candidate, budget, binary) = judged(verdict)
    assert (candidate.folder, candidate.files) == (exported.folder, exported.files)
    assert (budget.p99_ms, binary) == (50, None)
    assert is_infra_validated(blessing)
    folder = Path(blessing.uri)
    assert (folder / "INFRA_BLESSED").exists()
    assert Parity.model_validate_json((folder / PARITY_FILE).read_text()) == PARITY
    assert read_infra(run_of(blessing)) == verdict


def test_a_refused_model_is_not(judged: Any) -> None:
    from tfx.components.util.model_utils import is_infra_validated

    blessing, _ = judged(Verdict(server="s", size_mb=1.5, refusals=("too large",)))
    assert not is_infra_validated(blessing)
    assert sorted(file.name for file in Path(blessing.uri).iterdir()) == ["INFRA_NOT_BLESSED", "verdict.json"]
    assert json.loads(Path(blessing.uri, "verdict.json").read_text())["refusals"] == ["too large"]


def test_what_could_not_be_tested_leaves_no_blessing(judged: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no port"):
        judged(RunError("no port"))
    assert not (tmp_path / "blessing").exists()


def test_a_verdict_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the InfraValidator's verdict"):
        read_infra(run_of(SimpleNamespace(uri=str(tmp_path))))
