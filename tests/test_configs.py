"""Every configuration that is shipped fits the classes it names, and builds."""

import inspect
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonargparse import Namespace

from wtal.comparison.benchmarks import BenchmarkEntry, read_benchmarks
from wtal.nn import heads
from wtal.training.cli import WTALCLI

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "configs" / "benchmarks" / "all.yaml"
FILES = sorted(f for f in (ROOT / "configs").rglob("*.yaml") if f.parent.name != "sweeps" and f != BENCHMARKS)
BASE = ROOT / "configs" / "synthetic.yaml"  # what an ablation's few keys are put over
ALONE = ROOT / "configs" / "thumos14" / "cbp.yaml"  # and those of a head
REAL = ROOT / "configs" / "thumos14" / "collaboration.yaml"  # and those of another VLP model
ACTIVITYNET = ROOT / "configs" / "activitynet12" / "collaboration.yaml"
MODELS = sorted((ROOT / "configs" / "ablations").glob("vlp_*_*.yaml"))
MIXTURE = ROOT / "configs" / "ablations" / "vlp_mixture.yaml"  # of two of them
POINTS = ROOT / "configs" / "thumos14" / "points.yaml"
ANOMALY = ROOT / "configs" / "anomaly" / "ucf_crime.yaml"  # and those of other sets of anomalies
HEADS = sorted((ROOT / "configs" / "thumos14" / "heads").glob("*.yaml"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT / "configs").as_posix()


def configs_of_benchmarks() -> list[list[Path]]:
    listed = yaml.safe_load(BENCHMARKS.read_text()).values()
    return [[ROOT / "configs" / name for name in entry["config"]] for entry in listed]


UNDER = {files[-1]: files for files in configs_of_benchmarks()}  # a benchmark's own file, and those that it is put over


def options(file: Path) -> list[str]:
    if file.parent == BENCHMARKS.parent:
        return [f"--config={path}" for path in UNDER[file]]
    content = yaml.safe_load(file.read_text())
    if file.parent == ANOMALY.parent and "class_path" not in content.get("model", {}):
        return [f"--config={path}" for path in (ANOMALY, file)]
    below = [ALONE] if file in HEADS else [REAL] if file in [*MODELS, MIXTURE, POINTS] else [BASE]
    alone = "class_path" in content.get("data", {})
    return [f"--config={path}" for path in ([file] if alone else [*below, file])]


class Parsed(WTALCLI):
    """Reads and checks all keys, and makes nothing."""

    def __init__(self, args: list[str]) -> None:
        super().__init__(args, run=False)

    def instantiate_classes(self) -> None:
        pass


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_names_only_what_exists(file: Path):
    config = Parsed(options(file)).config
    assert config["model"]["class_path"].startswith("wtal.")
    assert config["data"]["class_path"].startswith("wtal.")


@pytest.mark.parametrize("entry", read_benchmarks(BENCHMARKS), ids=lambda entry: entry.name)
def test_the_options_of_a_benchmark_are_known(entry: BenchmarkEntry):
    assert Parsed([*(f"--config={path}" for path in entry.config), *entry.options]).config["data"]["class_path"]


@pytest.mark.parametrize("file", [*HEADS, *(ROOT / "configs" / "ablations").glob("head_*.yaml")], ids=name_of)
def test_a_head_has_its_own_defaults_beside_what_its_file_gives(file: Path):
    """The head before has other values: ``ratio`` 2, and on ActivityNet a sparsity of 0."""
    base, place = (ALONE, "init_args.head") if file in HEADS else (ACTIVITYNET, "init_args.cbp.init_args.head")
    words = [f"--config={base}", f"--model.{place}.init_args.ratio=2", f"--config={file}"]
    given = yaml.safe_load(file.read_text())["model"]
    for key in place.split("."):
        given = given[key]
    signature = inspect.signature(getattr(heads, given["class_path"].rpartition(".")[2]))
    defaults = {name: p.default for name, p in signature.parameters.items() if p.default is not p.empty}
    defaults = {name: vars(value) if is_dataclass(value) else value for name, value in defaults.items()}
    head = Parsed(words).config["model"][place].as_dict()
    assert head == {"class_path": given["class_path"], "init_args": defaults | given.get("init_args", {})}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_key_is_checked(file: Path):
    with pytest.raises(Exception, match="mispelt"):
        Parsed([*options(file), "--model.init_args.mispelt=1"])


class Built(WTALCLI):
    """Makes the model for three classes, on made-up texts or, where it has a text tower, with random weights."""

    def __init__(self, args: list[str]) -> None:
        super().__init__(args, run=False)

    def before_instantiate_classes(self) -> None:
        self.config["data"] = Namespace(class_path="toy.ToyData", init_args=Namespace())
        for key, value in list(self.config.items()):
            if key.endswith(".text.class_path"):
                head, text = key.removesuffix("text.class_path"), key.removesuffix("class_path") + "init_args."
                if value.endswith("FileText"):
                    np.save("text.npy", np.eye(3, self.config[head + "dim"], dtype=np.float32))
                    self.config[text + "path"] = Path("text.npy")
                else:
                    self.config[text + "pretrained"] = "random"
                    self.config[head + "dim"] = 512  # its width; the benchmark that it is put over has another


@pytest.mark.parametrize("file", MODELS, ids=name_of)
def test_a_vlp_model_exists_and_has_the_width_that_is_said(file: Path):
    """Building one takes seconds and gigabytes."""
    open_clip = pytest.importorskip("open_clip")
    head = yaml.safe_load(file.read_text())["model"]["init_args"]["vlp"]["init_args"]["head"]["init_args"]
    text = head["text"]["init_args"]
    assert open_clip.get_model_config(text["model"])["embed_dim"] == head["dim"]
    assert text["pretrained"] in open_clip.list_pretrained_tags_by_model(text["model"])


def test_the_models_of_a_mixture_exist_and_have_the_widths_that_are_said():
    open_clip = pytest.importorskip("open_clip")
    vlp = yaml.safe_load(MIXTURE.read_text())["model"]["init_args"]["vlp"]["init_args"]
    mixture = vlp["head"]["init_args"]
    parts = [head["init_args"] for head in mixture["heads"]]
    assert mixture["dims"] == [part["dim"] for part in parts]
    assert len(vlp["view"]["streams"]) == len(parts)
    for part in parts:
        text = part["text"]["init_args"]
        assert open_clip.get_model_config(text["model"])["embed_dim"] == part["dim"]
        assert text["pretrained"] in open_clip.list_pretrained_tags_by_model(text["model"])
    config = Parsed(options(MIXTURE)).config
    assert set(config["data"]["init_args"]["streams"]) == {"pe"}


@pytest.mark.parametrize("file", [file for file in FILES if file not in [*MODELS, MIXTURE]], ids=name_of)
def test_builds(file: Path, toy: Path):
    cli = Built(options(file))
    assert cli.model.class_names == cli.datamodule.class_names
    assert any(parameter.requires_grad for parameter in cli.model.parameters())
