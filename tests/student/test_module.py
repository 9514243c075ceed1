import pandas as pd
import pytest
import torch
import yaml

import wtal
from wtal.commands.distill import run as distill
from wtal.commands.plot_sensitivity import run as plot_sensitivity
from wtal.data import SyntheticDataModule, SyntheticParams
from wtal.errors import ConfigError, FeatureError, PredictionError
from wtal.localization import InstanceLocalizer
from wtal.nn import PyramidHead
from wtal.results.pseudo_instances import COLUMNS, write_pseudo_instances
from wtal.results.record import read_about
from wtal.student import FileInstances, PseudoInstances, StudentModule, SupervisedInstances
from wtal.training.cli import WTALCLI
from wtal.types import InstanceScores, SnippetBatch

SMALL = "--trainer.max_epochs=2 --model.init_args.head.init_args.width=8 --model.init_args.head.init_args.levels=3"
QUIET = "--trainer.accelerator=cpu --trainer.enable_progress_bar=false --trainer.enable_model_summary=false"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> SyntheticDataModule:
    params = SyntheticParams(train_videos=6, test_videos=4)
    return SyntheticDataModule(tmp_path_factory.mktemp("data") / "synthetic", params, num_snippets=40, batch_size=3)


def student(data: SyntheticDataModule, labels=None, **options) -> StudentModule:
    torch.manual_seed(0)
    return StudentModule(
        data.class_names, labels, lambda names: PyramidHead(names, 112, width=8, levels=3, **options), average=0.0
    )


def batch_of(data: SyntheticDataModule, rows: tuple[int, ...], length: int | None = None) -> SnippetBatch:
    dataset = data.dataset("train", length)
    return dataset.collate([dataset[(row, 5)] for row in rows])


def test_a_run_is_distilled_and_its_student_is_trained_tested_loaded_and_distilled_again(trained, tmp_path, capsys):
    teacher = trained("collaboration")
    distill(teacher.checkpoint, tmp_path / "labels", quality=True)
    said = capsys.readouterr().out
    assert "pseudo-instances in 12 of 12 videos" in said
    assert "precision" in said
    words = [f"--config={tmp_path / 'labels' / 'student.yaml'}", f"--trainer.default_root_dir={tmp_path}"]
    cli = WTALCLI([*words, *SMALL.split(), *QUIET.split()], run=False)
    assert cli.model.streams == ("i3d", "clip")
    assert cli.model.untrained == ("student",)
    cli.trainer.fit(cli.model, cli.datamodule)
    (metrics,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    assert cli.datamodule.benchmark.name == "synthetic"

    (checkpoint,) = tmp_path.rglob("last.ckpt")
    run = wtal.load(checkpoint)
    assert run.model.untrained == ()
    detections = wtal.localize(wtal.predict(run))
    assert set(detections["source"]) == {"student"}
    score = wtal.evaluate(detections, run.data)
    assert score.loc["student", "0.1:0.7"] == pytest.approx(metrics["test/mAP"], abs=1e-6)
    about = read_about(next(tmp_path.rglob("about.json")))
    assert "pseudo_instances.json" in about.weights

    with pytest.raises(ConfigError, match="whole instances: no threshold cuts them"):
        plot_sensitivity([checkpoint], tmp_path / "figure.png")

    distill(checkpoint, tmp_path / "second")  # the next round
    assert "pseudo-instances in" in capsys.readouterr().out
    supervised = yaml.safe_load((tmp_path / "second" / "supervised.yaml").read_text())
    assert "SupervisedInstances" in supervised["model"]["init_args"]["labels"]["class_path"]
    settings = yaml.safe_load((tmp_path / "second" / "student.yaml").read_text())
    assert settings["model"]["init_args"]["view"]["streams"] == ["i3d", "clip"]


def test_the_supervised_reference_is_marked_in_every_table(data, tmp_path):
    config = tmp_path / "supervised.yaml"
    config.write_text(
        "model: {class_path: wtal.student.StudentModule, init_args: {labels: {class_path: "
        "wtal.student.SupervisedInstances}, head: {class_path: wtal.nn.PyramidHead, init_args: {in_dim: 112}}}}\n"
        f"data: {{class_path: wtal.data.SyntheticDataModule, init_args: {{root: {data.root}, params: "
        f"{{train_videos: 6, test_videos: 4}}}}}}\ntrainer: {{default_root_dir: {tmp_path}}}\n"
    )
    cli = WTALCLI([f"--config={config}", *SMALL.split(), *QUIET.split()], run=False)
    cli.trainer.fit(cli.model, cli.datamodule)
    assert cli.datamodule.benchmark.name == "synthetic, supervised"
    run = wtal.load(next(tmp_path.rglob("last.ckpt")))
    assert run.model.marks == ("supervised",)
    assert run.data.benchmark.name == "synthetic, supervised"


def test_a_student_learns_to_find_the_segments_of_its_training_videos(data):
    model = student(data, SupervisedInstances(), input_dropout=0.0, dropout=0.0)
    model.head.norm.set_statistics(*map(torch.cat, zip(*map(data.feature_statistics, ("i3d", "clip")), strict=True)))
    model._instances = model.labels.read(data)
    batch, optimizer = batch_of(data, (0, 1, 2)), torch.optim.AdamW(model.parameters(), 0.01)
    first = sum(model.losses(batch).values()).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = sum(model.losses(batch).values())
        loss.backward()
        optimizer.step()
    assert loss.item() < first / 4
    found = model.eval().localize(model.all_scores(batch), batch, data.videos("train"))["student"]
    segments = data.segments_for_supervision()
    for row, detections in enumerate(found):
        true = segments[segments["video"] == row]
        best = detections.start_s[0].item(), detections.end_s[0].item()
        overlaps = [
            (min(best[1], end) - max(best[0], start)) / (max(best[1], end) - min(best[0], start))
            for start, end in true[["start_s", "end_s"]].itertuples(index=False)
        ]
        assert max(overlaps) > 0.5


def test_scores_of_a_video_do_not_depend_on_its_batch(data):
    model = student(data, uncertainty="laplace", boundaries="distribution").eval()
    together = batch_of(data, (0, 1))
    lengths = together.mask.sum(dim=1).tolist()
    row = lengths.index(min(lengths))
    alone = batch_of(data, (row,))
    found, single = (model.localize(model.all_scores(b), b, data.videos("train"))["student"] for b in (together, alone))
    torch.testing.assert_close(found[row].score, single[0].score)
    torch.testing.assert_close(found[row].start_s, single[0].start_s, atol=1e-4, rtol=0)


def test_nothing_is_learned_about_a_class_of_the_video_without_a_known_place(data):
    model = student(data)
    model._instances = [torch.zeros(0, 5)] * 6
    batch = batch_of(data, (0,))
    own = batch.labels[0].bool()
    weight = model.targets(model(batch), batch).weight[0]
    assert (weight[:, own] == 0).all()
    assert (weight[:, ~own] == 1).all()


def test_instances_of_a_file_lie_on_the_grid_of_the_video(data, tmp_path):
    rows = [("video_0001", "diving", 6.4, 12.8, 0.9, 0.25, 1.0, 0.0, 0.0)]
    path = tmp_path / "pseudo_instances.json"
    write_pseudo_instances(path, PseudoInstances(pd.DataFrame(rows, columns=list(COLUMNS)), {"video_0001": 60.0}))
    label = data.class_names.index("diving")
    with pytest.warns(UserWarning, match="labels 1 of 6 training videos"):
        found = FileInstances(path).read(data)
    torch.testing.assert_close(found[1], torch.tensor([[10.0, 20.0, label, 0.25, 0.0]]))  # 0.64 s a snippet
    assert [len(rows) for rows in found] == [0, 1, 0, 0, 0, 0]
    with pytest.warns(UserWarning, match="labels 1 of 6"):
        assert FileInstances(path, weighted=False).read(data)[1][0, 3] == 1


@pytest.mark.parametrize(
    ("video", "label", "message"), [("video_0001", "skating", "class 'skating'"), ("elsewhere", "diving", "elsewhere")]
)
def test_instances_of_other_videos_or_classes_are_refused(data, tmp_path, video, label, message):
    rows = [(video, label, 0.0, 1.0, 0.9, 1.0, 1.0, 0.0, 0.0)]
    path = tmp_path / "pseudo_instances.json"
    write_pseudo_instances(path, PseudoInstances(pd.DataFrame(rows, columns=list(COLUMNS)), {video: 60.0}))
    with pytest.raises(PredictionError, match=message):
        FileInstances(path).read(data)


def test_a_stream_that_the_data_lack_is_named(data):
    batch = batch_of(data, (0,))
    with pytest.raises(FeatureError, match="'clip'"):
        student(data)(batch._replace(streams={"i3d": batch.streams["i3d"]}))


@pytest.mark.parametrize(("options", "message"), [({"sampling": "uniform"}, "random"), ({}, "nothing to learn")])
def test_what_a_student_cannot_be_trained_with_is_refused(data, options, message):
    from pytorch_lightning import Trainer

    other = SyntheticDataModule(data.root, data.params, **options)
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    model = student(data, SupervisedInstances() if options else None)
    with pytest.raises(ConfigError, match=message):
        trainer.fit(model, datamodule=other)


def test_instances_are_suppressed_per_class_and_clipped_to_the_video():
    from wtal.types import Instances, TimeGrid, Video

    score = torch.tensor([[0.9, 0.0], [0.8, 0.7], [0.1, 0.0]])
    bounds = torch.tensor([[-2.0, 4.0], [-1.0, 4.0], [6.0, 20.0]])
    scores = InstanceScores(torch.ones(10, 2), torch.ones(10), torch.tensor([0.9, 0.9]), Instances(score, bounds))
    video = Video("a", 10, TimeGrid(fps=1, stride=1, window=1), 9.5)
    found = InstanceLocalizer(suppression="hard", tiou=0.5)(scores, video)
    rows = list(zip(*(column.tolist() for column in found), strict=True))
    assert [(start, end, label) for start, end, label, _ in rows] == [(0, 4, 0), (0, 4, 1), (6, 9.5, 0)]
    assert [row[3] for row in rows] == pytest.approx([0.9, 0.7, 0.1])
    assert InstanceLocalizer(class_threshold=0.95)(
        scores.of_classes(torch.tensor([1])), video
    ).label.unique().tolist() == [0]


def test_features_of_own_videos_are_made_for_the_streams_of_a_student(data):
    from wtal.extraction.detection import _streams_of

    assert _streams_of(student(data)) == {"i3d", "clip"}
