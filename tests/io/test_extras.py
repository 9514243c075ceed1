"""A package that only some commands need: one sentence names its extra wherever it is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wtal.commands.main import main
from wtal.io.extras import MissingPackageError, from_extra

TRUTH = {"database": {"v": {"subset": "test", "duration": 9, "annotations": [{"segment": [0, 2], "label": "run"}]}}}
FOUND = {"results": {"v": [{"label": "run", "score": 0.5, "segment": [0, 1.5]}]}}
SWEEP = "{program: wtal, method: random, run_cap: 1, command: [wtal, '${args}'], parameters: {a: {min: 0, max: 1}}}"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("truth.json").write_text(json.dumps(TRUTH))
    Path("found.json").write_text(json.dumps(FOUND))
    Path("sweep.yaml").write_text(SWEEP)
    Path("a.mp4").touch()
    Path("runs").mkdir()
    rows = [f"{method},{seed},0.{seed},f,b,w" for method in ("alternation", "joint") for seed in (1, 2)]
    Path("runs/comparison.csv").write_text("\n".join(["method,seed,mAP_avg,features,benchmark,weights", *rows]))


def hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that a package is not installed; the modules of this project that hold it are imported again."""
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("report.figures", "report.analysis_figures", "report.sensitivity", "video.decode", "video.snippets"):
        monkeypatch.delitem(sys.modules, f"wtal.{name}", raising=False)
    for name in ("module", "writing", "detection"):
        monkeypatch.delitem(sys.modules, f"wtal.extraction.{name}", raising=False)


@pytest.mark.parametrize(
    ("package", "extra", "words"),
    [
        ("av", "video", "extract a.mp4 --output features --random-weights"),
        ("av", "video", "detect a.mp4 --output out --labels run --random-weights"),
        ("matplotlib", "report", "analyze found.json --annotations truth.json --output out"),
        ("matplotlib", "report", "plot errors runs --output a.png"),
        ("matplotlib", "report", "plot qualitative runs --videos a --output a.png"),
        ("matplotlib", "report", "plot sensitivity runs --output a.png"),
        ("jinja2", "report", "report found.json --annotations truth.json --output page"),
        ("pympi", "export", "export found.json --output out"),
        ("webvtt", "export", "export found.json --output out"),
        ("scipy", "stats", "table runs --baseline alternation"),
        ("wandb", "wandb", "table runs --wandb me/project"),
        ("optuna", "sweep", "sweep sweep.yaml --output sweep"),
        ("submitit", "sweep", "sweep sweep.yaml --output sweep --slurm 1"),
    ],
)
def test_names_the_extra(package, extra, words, monkeypatch, capsys):
    hide(package, monkeypatch)
    assert main(words.split()) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wtal: error: ")]
    assert lines == [f"wtal: error: {package} is not installed: run `pip install 'wtal[{extra}]'`."]


def test_training_and_its_results_need_no_extra():
    code = (
        "import sys, wtal, pytorch_lightning\n"
        "hidden = 'av cv2 matplotlib jinja2 pympi webvtt scipy optuna submitit wandb tensorboard'.split()\n"
        "sys.modules.update(dict.fromkeys(hidden))\n"
        "import wtal.training.cli, wtal.api, wtal.results.evaluation, wtal.results.runs_table, wtal.sweep.execution"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_is_a_mistake_of_the_user_and_an_import_error():
    with (
        pytest.raises(
            MissingPackageError, match=r"no_such is not installed: run `pip install 'wtal\[video\]'`"
        ) as error,
        from_extra("video"),
    ):
        import no_such.part  # noqa: F401
    assert isinstance(error.value, ImportError)


def test_other_mistakes_pass():
    with pytest.raises(ZeroDivisionError), from_extra("video"):
        raise ZeroDivisionError
