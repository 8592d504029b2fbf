"""The file for devices of a candidate: what is found of it, and when it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.edge import ConversionError
from pipeline.components import edge as edges
from pipeline.components.edge import add_edge
from pipeline.infra.trial import Candidate
from pipeline.infra.verdict import EDGE_NAME, Verdict
from pipeline.problem import Edge

pytestmark = pytest.mark.tensorflow
VERDICT = Verdict(server="s", size_mb=1.5)


@pytest.fixture
def candidate(exported: Any) -> Candidate:
    return Candidate(exported.folder, exported.spec, exported.files)


@pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
def test_a_file_is_measured_beside_the_served_model(candidate: Candidate, quantize: Any, tmp_path: Path) -> None:
    verdict = add_edge(VERDICT, candidate, Edge(quantize=quantize), tmp_path)
    found = verdict.edge
    assert verdict.refusals == ()
    assert found is not None
    assert (tmp_path / EDGE_NAME).stat().st_size == found.size_bytes < found.served_bytes
    assert (found.quantize, found.rows, found.metric, found.metric_rows) == (quantize, 240, "auc", 240)
    assert found.difference <= Edge(quantize=quantize).limit
    assert found.value == pytest.approx(found.served_value, abs=0.01)


def test_only_32_bits_are_exact(candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.edge.LEAST_HALVED", 16)
    whole, half = (add_edge(VERDICT, candidate, Edge(quantize=each), tmp_path).edge for each in ("none", "float16"))
    assert whole is not None
    assert half is not None
    assert whole.difference < 1e-6 < half.difference


def test_one_that_differs_too_much_is_refused(candidate: Candidate, tmp_path: Path) -> None:
    verdict = add_edge(VERDICT, candidate, Edge(quantize="float16", max_difference=1e-9), tmp_path)
    (refusal,) = verdict.refusals
    assert verdict.edge is not None
    assert refusal == (
        f"edge: quantized as float16 it answers up to {verdict.edge.difference:.3g} other than the network that was "
        "trained (240 rows), push.edge.max_difference is 1e-09"
    )
    assert not (tmp_path / EDGE_NAME).exists()


def test_one_that_answers_nonsense_is_refused(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(content: bytes, inputs: Any) -> Any:
        return lambda columns: {"probability": np.full(len(columns["mass"]), np.nan, "float32")}

    monkeypatch.setattr(edges, "load_edge", load)
    verdict = add_edge(VERDICT, candidate, Edge(quantize="int8"), tmp_path)
    assert len(verdict.refusals) == 1
    assert verdict.edge is not None
    assert verdict.edge.difference == 1.0


def test_an_operation_that_is_lacking_is_named(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(folder: Path, quantize: str) -> bytes:
        raise ConversionError("LiteRT has no Einsum")

    monkeypatch.setattr(edges, "convert", convert)
    verdict = add_edge(VERDICT, candidate, Edge(), tmp_path)
    assert verdict.refusals == ("edge: LiteRT has no Einsum; drop push.edge, or what needs it",)
    assert verdict.edge is None
