"""The wheel in an empty environment without any extra, and the lowest versions of all dependencies that are allowed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "configs" / "constraints.txt"
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VERSIONS = ("3.10", "3.13")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
UV = [sys.executable, "-m", "uv"]
QUICK = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
SHORT = [
    *("functional", "losses", "metrics", "localization", "nn/heads", "nn/text", "branches", "results", "commands"),
    *("collaboration/test_loop.py", "data/test_datamodule.py", "data/test_store.py", "data/test_synthetic.py"),
    *("sweep/test_definition.py", "training/test_checkpoint.py", "video", "report/test_figures.py", "io"),
]


def run(*words: object, cwd: Path, code: int = 0, **variables: str) -> str:
    environment = ENVIRONMENT | variables
    done = subprocess.run([*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def environment(home: Path, *packages: object, python: str = sys.executable) -> Path:
    """The scripts of a new environment with some packages and nothing else."""
    links = [word for link in os.environ.get("PIP_FIND_LINKS", "").split() for word in ("--find-links", link)]
    run(*UV, "venv", "--quiet", "--python", python, home, cwd=home.parent)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    run(*UV, "pip", "install", "--quiet", "--python", scripts / "python", *links, *packages, cwd=home)
    return scripts


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("empty") / "venv", "--constraint", CONSTRAINTS, wheel)


def test_the_wheel_is_whole(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"wtal/{file.relative_to(ROOT).as_posix()}" for file in (ROOT / "configs").rglob("*.yaml")}
    sources = {file.relative_to(ROOT).as_posix() for file in (ROOT / "wtal").rglob("*.py")}
    templates = {file.relative_to(ROOT).as_posix() for file in (ROOT / "wtal/report/page/templates").iterdir()}
    whole = configs | sources | templates | {"wtal/py.typed"}
    assert whole <= names
    others = names - whole - {"wtal/configs/constraints.txt"}
    assert all(name.partition("/")[0].endswith(".dist-info") for name in others)


def test_without_extras_it_trains_and_measures_anywhere(empty: Path, tmp_path: Path):
    assert run(empty / "python", "-c", "import wtal; print(wtal.__version__, wtal.Run)", cwd=tmp_path)
    assert "thumos14/collaboration.yaml" in run(empty / "wtal", "configs", cwd=tmp_path)
    configs = ["-c", "synthetic.yaml", "-c", "ablations/b_only.yaml"]
    run(empty / "wtal", "fit", *configs, *QUICK, "--then_test", "true", cwd=tmp_path)
    (record,) = tmp_path.rglob("record.json")
    (truth,) = tmp_path.glob("runs/synthetic/annotations.json")
    words = [record.parent / "predictions" / "fused.json", "--annotations", truth, "--subset", "test"]
    assert "0.5:0.95" in run(empty / "wtal", "evaluate", *words, cwd=tmp_path)
    assert "mAP in %" in run(empty / "wtal", "table", "runs", cwd=tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_on_the_lowest_and_the_newest_python(version: str, wheel: Path, tmp_path: Path):
    """In an environment of that Python; training on the embedded benchmark needs most of what is installed."""
    python = interpreter(version)
    scripts = environment(tmp_path / "venv", "--constraint", CONSTRAINTS, wheel, python=python)
    assert run(scripts / "python", "--version", cwd=tmp_path).startswith(f"Python {version}.")
    assert "synthetic.yaml" in run(scripts / "wtal", "configs", cwd=tmp_path)
    run(scripts / "wtal", "fit", "-c", "synthetic.yaml", *QUICK, "--then_test", "true", cwd=tmp_path)
    assert "mAP in %" in run(scripts / "wtal", "table", "runs", cwd=tmp_path)


def test_these_are_the_lowest_and_the_newest_python():
    (lowest, above) = re.findall(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', PROJECT, re.MULTILINE)[0]
    assert (f"3.{lowest}", f"3.{int(above) - 1}") == VERSIONS


def interpreter(version: str) -> str:
    """A Python of that version, on this machine or fetched by uv."""
    found = subprocess.run([*UV, "python", "find", version], capture_output=True, text=True, check=False)
    if found.returncode:
        subprocess.run([*UV, "python", "install", "--quiet", version], capture_output=True, check=False)
        found = subprocess.run([*UV, "python", "find", version], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"Python {version} is neither on this machine nor can it be fetched")
    return found.stdout.strip()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("video", "extract a.mp4 --output features --random-weights"),
        ("video", "detect a.mp4 --output out --labels run --random-weights"),
        ("report", "plot errors . --output a.png"),
        ("export", "export found.csv --output out"),
        ("sweep", "sweep sweep.yaml --output sweep"),
        ("wandb", "fit -c synthetic.yaml --logger wandb"),
        ("tensorboard", "fit -c synthetic.yaml --logger tensorboard"),
    ],
)
def test_what_needs_an_extra_names_it(extra: str, words: str, empty: Path, tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,0,1,run,0.5\n")
    (tmp_path / "sweep.yaml").write_text(
        "{program: wtal, method: random, run_cap: 1, command: [wtal, '${args}'], parameters: {a: {min: 0, max: 1}}}"
    )
    output = run(empty / "wtal", *words.split(), cwd=tmp_path, code=2)
    assert f"`pip install 'wtal[{extra}]'`" in output
    assert "Traceback" not in output


def test_the_lowest_allowed_versions(tmp_path: Path):
    """All but torch and torchvision, whose older wheels bring gigabytes of CUDA: these are the tested versions."""
    pinned = re.findall(r"^(?:torch|torchvision)==.*", CONSTRAINTS.read_text(), re.MULTILINE)
    (tmp_path / "pinned.txt").write_text("\n".join(pinned))
    lowest = ["--resolution", "lowest-direct", "--constraint", tmp_path / "pinned.txt"]
    scripts = environment(tmp_path / "venv", *lowest, f"{ROOT}[all]", "pytest>=8.3", "hypothesis>=6.100")
    words = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *(ROOT / "tests" / name for name in SHORT)]
    run(scripts / "python", "-m", "pytest", *words, cwd=ROOT, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
