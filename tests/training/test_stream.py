"""A training on videos that keep coming through the command line: begun, gone on with, looked at and loaded."""

from pathlib import Path

import pytest
from streams import Stream

import wtal
from wtal.commands.main import main
from wtal.results import StreamRecord

pytestmark = pytest.mark.slow

CONFIG = """
seed_everything: 0
trainer: {{max_epochs: 2, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false}}
model:
  class_path: wtal.collaboration.CollaborationModule
  init_args:
    schedule: {{warm_up: 1, pattern: FB}}
    cbp:
      class_path: wtal.branches.CBPBranch
      init_args: {{head: {{class_path: wtal.nn.heads.AttentionMILHead, init_args: {{in_dim: 12, hidden: 8}}}}}}
    vlp:
      class_path: wtal.branches.VLPBranch
      init_args:
        head:
          class_path: wtal.nn.heads.AnchoredTextHead
          init_args:
            text: {{class_path: wtal.nn.text.FileText, init_args: {{path: {0}/text/text.npy}}}}
            dim: 12
            width: 8
            heads: 2
data:
  class_path: wtal.data.StreamDataModule
  init_args: {{annotations: {0}/labels.csv, memory: 5, i3d: {{path: {0}/i3d}}, clip: {{path: {0}/clip}}, batch_size: 4}}
"""


def test_a_finished_training_goes_on_with_what_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = Stream(tmp_path / "stream")
    for name, label in zip("abcd", ["bowling", "bowling", "curling", "curling"], strict=True):
        stream.deliver(name, label)
    (tmp_path / "stream.yaml").write_text(CONFIG.format(stream.folder))
    words = ["fit", "-c", "stream.yaml", "--name=followed", "--resume=true"]
    run = tmp_path / "runs" / "followed" / "version_0"
    assert main([*words, "--asynchronous=true"]) == 2
    assert main(words) == 0
    assert len(StreamRecord.read(run / "stream").videos) == 4
    for name in "ef":
        stream.deliver(name, "archery")  # a class that comes first in the alphabet, and last here
    assert main([*words, "--trainer.max_epochs=4", "--then_test=true"]) == 0
    record = StreamRecord.read(run / "stream")
    assert [video.epoch for video in record.videos] == [0, 0, 0, 0, 2, 2]
    assert [(one.epoch, one.trained_on, one.classes) for one in record.epochs] == [(0, 4, 2), (2, 5, 3), (4, 5, 3)]
    loaded = wtal.load(run)
    assert loaded.class_names == loaded.data.class_names == ["bowling", "curling", "archery"]
    assert set(wtal.predict(loaded, videos=["a", "e"])) == {"a", "e"}
    assert main(["test", "-c", "stream.yaml", f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"]) == 0
    assert main(["report", str(run), "--output", "page"]) == 0
    assert '<section id="stream">' in (tmp_path / "page" / "index.html").read_text()
