import numpy as np
import pytest
import yaml

import wtal
from wtal.commands.distill import run as distill
from wtal.data.store import open_store
from wtal.errors import ConfigError
from wtal.training.cli import WTALCLI

QUICK = (
    "--trainer.max_epochs=1 --model.init_args.head.init_args.width=8 --model.init_args.head.init_args.levels=2 "
    "--trainer.accelerator=cpu --trainer.enable_progress_bar=false --trainer.enable_model_summary=false"
)


def test_a_student_reads_streams_of_the_data_similarities_and_scores_of_its_teacher(trained, tmp_path):
    teacher = trained("collaboration")
    distill(teacher.checkpoint, tmp_path / "labels", inputs=["i3d", "similarity", "teacher"])
    settings = yaml.safe_load((tmp_path / "labels" / "student.yaml").read_text())
    assert settings["model"]["init_args"]["view"]["streams"] == ["i3d", "similarity", "teacher"]
    assert settings["model"]["init_args"]["head"]["init_args"]["in_dim"] == 64 + 6 + 7

    run = wtal.load(teacher.checkpoint)
    stores = {name: open_store(tmp_path / "labels" / "inputs" / name) for name in ("similarity", "teacher")}
    names = {video.video_id for split in ("train", "test") for video in run.data.videos(split)}
    assert {frozenset(store) for store in stores.values()} == {frozenset(names)}
    name, seen = next(iter(wtal.predict(run).items()))
    scores = seen.sources["fused"]
    np.testing.assert_array_equal(stores["teacher"][name][:, :6], scores.probability.numpy())
    np.testing.assert_array_equal(stores["teacher"][name][:, 6], scores.attention.numpy())
    assert stores["teacher"].grid(name) == seen.video.grid
    clip, texts = run.data.split("test").features.read(name, slice(None))["clip"], run.model.vlp.head.text()
    for row in (0, 5):
        for label, text in enumerate(texts.detach().numpy()):
            cosine = clip[row] @ text / np.linalg.norm(clip[row]) / np.linalg.norm(text)
            assert stores["similarity"][name][row, label] == pytest.approx(cosine, abs=1e-5)

    words = [f"--config={tmp_path / 'labels' / 'student.yaml'}", f"--trainer.default_root_dir={tmp_path}"]
    cli = WTALCLI([*words, *QUICK.split()], run=False)
    cli.trainer.fit(cli.model, cli.datamodule)
    cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    again = wtal.load(next(tmp_path.rglob("last.ckpt")))
    assert again.model.streams == ("i3d", "similarity", "teacher")
    assert set(wtal.localize(wtal.predict(again))["source"]) == {"student"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["audio"], "no input 'audio': give some of i3d, "),
        (["i3d", "i3d"], "twice"),
        (["similarity"], "no class texts"),
    ],
)
def test_inputs_that_neither_the_data_nor_the_run_have_are_refused_before_anything_is_written(
    trained, tmp_path, inputs, message
):
    with pytest.raises(ConfigError, match=message):
        distill(trained("cbp").checkpoint, tmp_path / "labels", inputs=inputs)
    assert not (tmp_path / "labels").exists()
