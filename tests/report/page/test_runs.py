import json
import shutil

import pandas as pd
import pytest

from wtal.errors import PredictionError
from wtal.report.page.material import gather
from wtal.report.page.training import training_charts


def test_a_run_folder_holds_everything(made):
    material = gather([made.folder])
    assert [(method.name, method.colour, method.leading) for method in material.methods] == [
        ("CBP", "cbp", True),
        ("VLP", "vlp", True),
        ("collaboration", "fused", True),
    ]
    assert material.about.tious == (0.3, 0.5, 0.7)
    assert list(material.truth.video_ids) == [video.video_id for video in made.videos]
    assert len(material.truth.segments) == len(made.segments)
    (training,) = material.training
    assert list(training.epochs.index) == [0, 1, 2, 3]  # the row of the test has none of training
    assert not [name for name in training.epochs if name.startswith("test/")]
    assert sorted(material.pseudo.label) == ["cbp", "vlp"]
    assert (
        gather([made.folder.parent]).methods[0].detections.equals(material.methods[0].detections)
    )  # its newest version


def test_a_test_is_joined_with_the_run_whose_checkpoint_it_tested(made, tmp_path):
    fit, test = tmp_path / "version_0", tmp_path / "version_1"
    shutil.copytree(made.folder, test)
    fit.mkdir()
    for name in ("metrics.csv", "pseudo_labels.npz"):
        shutil.move(test / name, fit / name)
    assert not gather([test]).training
    (test / "config.yaml").write_text(json.dumps({"ckpt_path": str(fit / "checkpoints" / "last.ckpt")}))
    material = gather([test])
    assert len(material.training[0].epochs) == 4
    assert material.pseudo is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "metrics.csv").write_bytes(b"\xff\xfe,"), "metrics.csv cannot be read as text"),
        (lambda f: (f / "about.json").write_text("[]"), "about.json is damaged"),
        (lambda f: (f / "about.json").write_text('{"tious": ["x"]}'), "about.json is damaged"),
        (lambda f: (f / "scores" / "cbp.npz").write_bytes(b"PK"), "cbp.npz is damaged"),
        (lambda f: [shutil.rmtree(f / "predictions"), *(p.unlink() for p in f.glob("*.*"))], "is not a run"),
    ],
)
def test_a_damaged_file_is_one_sentence(made, tmp_path, change, message):
    folder = tmp_path / "run"
    shutil.copytree(made.folder, folder)
    change(folder)
    with pytest.raises(PredictionError, match=message) as caught:
        gather([folder])
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_leave_gaps(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    table = pd.read_csv(made.folder / "metrics.csv").astype({"train/cbp/loss": object})
    table.loc[:2, "train/cbp/loss"] = ["inf", "-inf", "much"]
    table.to_csv(tmp_path / "run" / "metrics.csv", index=False)
    (training,) = gather([tmp_path / "run"]).training
    assert training.epochs["train/cbp/loss"].isna().all()
    assert training_charts(training)[0].title == "Losses of CBP"


def test_an_unreadable_configuration_is_ignored(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    for text in ("!!python/object/apply:os.getcwd []", "{", "- 1"):
        (tmp_path / "run" / "config.yaml").write_text(text)
        assert not gather([tmp_path / "run"]).training[0].exchange
    (tmp_path / "run" / "config.yaml").write_text("model: {init_args: {schedule: {exchange: true}}}")
    assert gather([tmp_path / "run"]).training[0].exchange
