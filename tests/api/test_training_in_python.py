"""Training in Python: the example of the package's help, and arguments as callers in Python give them."""

import ast
import pydoc
import re
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from documents import DOCUMENTS
from pytorch_lightning import seed_everything

import wtal
from wtal.branches import CBPBranch
from wtal.data import ActivityNet12DataModule, CustomDataModule, FeatureSource, SnippetDataModule, THUMOS14DataModule
from wtal.errors import ConfigError, WTALError
from wtal.localization.localizer import Localizer
from wtal.nn.heads import AttentionMILHead
from wtal.types import Benchmark


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table and features in the working directory, with names that the example gives them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    lines = ["video,label,start,end,subset"]
    for number in range(12):
        label = number % 2
        rows = np.random.default_rng(number).normal(size=(40, 16)).astype(np.float32)
        rows[10:20, 8 * label : 8 * label + 8] += 6
        np.save(tmp_path / "features" / f"v{number}.npy", rows)
        subset = "test" if number > 7 else "train"
        lines.append(f"v{number},{['run', 'jump'][label]},{10 * 0.64},{20 * 0.64},{subset}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def example(text: str) -> str:
    """The code that trains, from its first import to its last line."""
    block = re.search(
        r"^ *from functools import partial\n.*?evaluate\(found, data\)\)$", text, re.DOTALL | re.MULTILINE
    )
    assert block is not None
    return textwrap.dedent(block[0])


@pytest.mark.parametrize("where", ["help", "own_features"])
def test_the_example_trains(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = pydoc.render_doc(wtal) if where == "help" else DOCUMENTS[f"{where}.md"].read_text(encoding="utf-8")
    code = example(pydoc.plain(text))
    names: dict[str, Any] = {}
    seed_everything(0)
    exec(compile(ast.parse(code), where, "exec"), names)
    assert set(names["found"]["video_id"]) == {"v8", "v9", "v10", "v11"}
    measured = wtal.evaluate(names["found"], names["data"], tious=0.1)
    assert measured.loc["cbp", "0.1"] > 0.4, measured
    assert "0.1:0.7" in capsys.readouterr().out


def data_of(**options: Any) -> CustomDataModule:
    return CustomDataModule("labels.csv", **{"i3d": "features", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("i3d", ["features", Path("features"), FeatureSource("features")])  # type: ignore[arg-type]
def test_a_path_is_a_source(i3d: Any) -> None:
    for data in (data_of(i3d=i3d), data_of(i3d=None, streams={"i3d": i3d})):
        assert data.streams == {"i3d": FeatureSource(Path("features"))}
        assert data.dims == {"i3d": 16}


def test_one_name_where_several_may_be_given() -> None:
    data = data_of(train_subset="train", test_subset="test", tious=0.5)
    assert [len(data.videos("train")), len(data.videos("test"))] == [8, 4]
    assert data.benchmark.tious == (0.5,)
    assert Localizer(cut="product", thresholds=0.5) == Localizer(cut=("product",), thresholds=(0.5,))  # type: ignore[arg-type]
    assert SnippetDataModule("labels.csv", data.benchmark, "features").class_names == ["jump", "run"]  # type: ignore[arg-type]


BENCHMARK = Benchmark("none", (0.5,), ((0.5, 0.5),))
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a number for features": (lambda: data_of(i3d=3), r"The stream 'i3d' of the data is 3: give a path"),
    "a list for features": (lambda: data_of(clip=["a"]), r"The stream 'clip' of the data is \['a'\]: give a path"),
    "a path for streams": (lambda: data_of(streams="features"), r"`data.streams` is 'features': give sources by name"),
    "no path in a source": (lambda: FeatureSource(None), r"`path` of the features is None"),  # type: ignore[arg-type]
    "a text of classes": (lambda: data_of(class_names="run"), r"`class_names` is 'run': give a list of names"),
    "a text of classes in a module": (lambda: CBPBranch("run"), r"`class_names` is 'run': give a list of names"),
    "a head that is made": (
        lambda: CBPBranch(["run"], AttentionMILHead(["run"], 4, 4)),  # type: ignore[arg-type]
        r"`head` is .*: give what makes one, a class or `functools.partial",
    ),
    "a number of subsets": (lambda: data_of(train_subset=3), r"`data.train_subset` is 3: give a list of names"),
    "a text of thresholds": (lambda: data_of(tious="0.5"), r"`data.tious` is '0.5': give a list of numbers"),
    "another test list": (lambda: THUMOS14DataModule("x", 300), r"`data.test_list` is 300: give one of"),  # type: ignore[arg-type]
    "a sequence that does not exist": (lambda: Localizer(cut="prod"), r"name 'prod': give cas, attention, product"),  # type: ignore[arg-type]
    "classes of ActivityNet": (lambda: ActivityNet12DataModule("labels.csv", class_names="run"), "`class_names` is"),  # type: ignore[arg-type]
    "a model without data": (
        lambda: wtal.predict(CBPBranch(["run"], partial(AttentionMILHead, in_dim=4))),
        "A module does not know its data: give them as `data`",
    ),
    "a path for a data module": (
        lambda: wtal.predict(CBPBranch(["run"], partial(AttentionMILHead, in_dim=4)), "labels.csv"),  # type: ignore[arg-type]
        "`data` is 'labels.csv': give a data module",
    ),
    "a run that does not exist": (lambda: wtal.predict("nowhere"), "nowhere does not exist"),
    "rules that do not exist": (
        lambda: wtal.evaluate(pd.DataFrame(), "labels.csv", "thumos"),  # type: ignore[arg-type]
        "There is no protocol 'thumos': give one of activitynet-official",
    ),
    "a list of scores": (lambda: wtal.localize([1]), "`scores` is of the type list: give what `wtal.predict`"),  # type: ignore[arg-type]
    "a word for a localizer": (lambda: wtal.localize({}, "soft"), "`localizer` is 'soft': give a `Localizer`"),  # type: ignore[arg-type]
    "a list of detections": (lambda: wtal.evaluate([1], "labels.csv"), "`detections` is of the type list"),  # type: ignore[arg-type]
    "scores of all videos": (lambda: wtal.plot({}), "`scores` is of the type dict: give the scores of one video"),  # type: ignore[arg-type]
}


def test_scores_of_random_weights_are_said_to_mean_nothing() -> None:
    data = data_of()
    with pytest.warns(UserWarning, match=r"The weights of cbp were neither trained nor loaded, so their scores mean"):
        assert wtal.predict(CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=data.dims["i3d"])), data)


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_converted_is_refused_by_name(kind: str) -> None:
    make, message = WRONG[kind]
    with pytest.raises((ConfigError, WTALError, ValueError), match=message):
        make()


def test_a_prediction_file_is_evaluated() -> None:
    truth = pd.read_csv("labels.csv")[lambda table: table["subset"] == "test"].drop(columns="subset")
    truth.assign(score=1.0).to_csv("found.csv", index=False)
    measured = wtal.evaluate("found.csv", data_of(), videos="v8")
    assert measured.loc["all", "0.5"] == 1.0
