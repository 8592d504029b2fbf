"""A sound model passes; each way to break it is found, for its own reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.infra.server import BINARY
from pipeline.infra.trial import Candidate, judge
from pipeline.problem import Budget

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from _broken_models import FAULTS, MORE_MEMORY_MB, P99_MS, SIZE_MB, break_model

pytestmark = pytest.mark.tensorflow
KINDS = [pytest.param(name, marks=pytest.mark.slow if fault.is_loaded else ()) for name, fault in FAULTS.items()]
# the embedded server as TensorFlow Serving's binary is started; it answers no sooner than a model is loaded
STAND_IN = """\
from pathlib import Path
from serving.server.run import Ports, serve
flags = dict(flag.removeprefix("--").split("=") for flag in sys.argv[1:])
assert flags.keys() == {"model_name", "model_base_path", "rest_api_port", "port", "max_num_load_retries",
                        "file_system_poll_wait_seconds"}
import time
base = Path(flags["model_base_path"])
while not list(base.glob("[0-9]*")):
    time.sleep(0.05)
try:
    serve({flags["model_name"]: base}, "127.0.0.1", Ports(int(flags["rest_api_port"]), int(flags["port"])), print)
except Exception as error:
    sys.exit(f"Loading servable: {{name: {flags['model_name']} version: 1}} failed: {error}")
"""


def candidate_of(exported: Any, folder: Path) -> Candidate:
    return Candidate(folder, exported.spec, exported.files)


@pytest.fixture(scope="module")
def sound(exported: Any) -> Any:
    """The verdict on the sound model."""
    return judge(candidate_of(exported, exported.folder), Budget(p99_ms=P99_MS, size_mb=SIZE_MB))


@pytest.mark.slow
def test_the_sound_model_passes(sound: Any, exported: Any) -> None:
    assert sound.refusals == ()
    assert sound.server == "penstock serve"
    assert (sound.parity.rows, sound.parity.tolerance, sound.parity.relative) == (240, 1e-5, False)
    assert set(sound.parity.differences) == {"examples", "rest", "grpc"}
    assert max(difference or 0.0 for difference in sound.parity.differences.values()) < 1e-5
    assert None not in sound.parity.differences.values()
    assert max(sound.parity.differences["examples"], sound.parity.differences["rest"]) < 1e-6
    files = [file for file in exported.folder.rglob("*") if file.is_file()]
    assert sound.size_mb == pytest.approx(sum(file.stat().st_size for file in files) / 1e6, abs=1e-3)
    assert 100 < sound.rss_mb < 4000


@pytest.mark.parametrize("name", KINDS)
def test_each_fault_is_refused_for_its_own_reason(
    name: str, exported: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fault = FAULTS[name]
    rss_mb = request.getfixturevalue("sound").rss_mb + MORE_MEMORY_MB / 2 if name == "too much memory" else None
    broken = break_model(exported.folder, tmp_path / "broken", fault)
    verdict = judge(candidate_of(exported, broken), Budget(p99_ms=P99_MS, size_mb=SIZE_MB, rss_mb=rss_mb))
    assert verdict.refusals
    assert [line for line in verdict.refusals if not line.startswith(fault.reason)] == []


@pytest.mark.slow
def test_a_binary_of_tensorflow_serving_is_asked_alike(exported: Any, tmp_path: Path) -> None:
    binary = tmp_path / BINARY
    binary.write_text(f"#!{sys.executable}\nimport sys\nif '--version' in sys.argv: sys.exit(0)\n{STAND_IN}")
    binary.chmod(0o755)
    verdict = judge(candidate_of(exported, exported.folder), Budget(), str(binary))
    assert (verdict.server, verdict.refusals) == (str(binary), ())
    broken = break_model(exported.folder, tmp_path / "broken", FAULTS["missing variables"])
    (line,) = judge(candidate_of(exported, broken), Budget(), str(binary)).refusals
    assert line.startswith("does not load: ")
    assert "version: 1} failed: " in line


def test_answers_of_the_network_that_are_gone_are_a_failed_run(exported: Any, tmp_path: Path) -> None:
    from pipeline.errors import RunError

    with pytest.raises(RunError, match="expected the answers that the Trainer left beside the model"):
        judge(candidate_of(exported, tmp_path), Budget())
