"""A branch alone learns from any source of labels; segments come through one door, which leaves its mark."""

import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

import wtal
from wtal.branches import CBPBranch, DistillationWeights, LabelSource
from wtal.branches.scoring import score_videos
from wtal.collaboration import FileLabels, PointLabels, Schedule, SupervisedLabels
from wtal.collaboration.growth import grown
from wtal.collaboration.labels import KnownLabels
from wtal.data.drawn_points import draw_points
from wtal.data.points import read_points, write_points
from wtal.errors import AnnotationError, ConfigError, PredictionError
from wtal.nn.heads import AttentionMILHead
from wtal.results.identity import Identity
from wtal.results.record import read_about
from wtal.results.run_folder import RunFolder
from wtal.results.scores import VideoGrids, read_pseudo_labels, write_pseudo_labels
from wtal.student.distill import distill
from wtal.training.outputs import ResultsTable, WritePredictions, WritePseudoLabels
from wtal.training.runs import make_record
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

HEAD = partial(AttentionMILHead, in_dim=16, hidden=8)


def branch(data, labels: LabelSource | None, **options) -> CBPBranch:
    torch.manual_seed(0)
    return CBPBranch(data.class_names, HEAD, optimizer=partial(torch.optim.Adam, lr=0.01), labels=labels, **options)


def batch_of(data) -> SnippetBatch:
    dataset = data.dataset("train")
    return dataset.collate([dataset[row] for row in range(len(dataset))])


def labels_of(source: KnownLabels, data) -> PseudoLabels:
    source.prepare(data)
    return source.labels(batch_of(data))


# From a file --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(pair, tmp_path):
    """The pseudo-labels that a finished collaboration left, and its buffers."""
    data = pair.data()
    trainer = pair.trainer(3, WritePseudoLabels(), logger=CSVLogger(tmp_path, "run"))
    trainer.fit(pair.model(data, Schedule(warm_up=1, pattern="BF", from_cbp="both", from_vlp="both")), data)
    return RunFolder.of(trainer).path / "pseudo_labels.npz", trainer.fit_loop.buffers


def test_labels_of_a_finished_run_are_those_of_its_teacher(saved, pair):
    path, buffers = saved
    data = pair.data()
    for student, buffer in buffers.items():
        found, batch = labels_of(FileLabels(path, student), data), batch_of(data)
        expected = buffer.labels(batch)
        assert torch.equal(found.label[batch.mask], expected.label[batch.mask])
        assert torch.equal(found.class_index[batch.mask], expected.class_index[batch.mask])


def test_a_branch_alone_learns_from_a_file_what_it_learned_in_the_pair(saved, pair):
    """The same loss on the same batch, whether the loop's buffer or the file has the labels."""
    path, buffers = saved
    data = pair.data()
    source, model, batch = FileLabels(path, "cbp"), branch(data, None).eval(), batch_of(data)
    source.prepare(data)
    losses = [model.distillation_losses(model(batch), batch, one.labels(batch)) for one in (source, buffers["cbp"])]
    assert losses[0].keys() == {"distil_attention", "distil_classes"}
    assert losses[0] == losses[1]


def test_labels_change_what_is_learned(saved, pair):
    data = pair.data()
    models = [branch(data, None), branch(data, FileLabels(saved[0], "cbp"))]
    for model in models:
        pair.trainer(1).fit(model, data)
    one, other = (model.state_dict() for model in models)
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_classes_are_found_by_name(saved, pair, tmp_path):
    labels, data = read_pseudo_labels(saved[0]), pair.data()
    turned = {s: np.where(values >= 0, 5 - values, -1) for s, values in labels.class_index.items()}
    write_pseudo_labels(
        tmp_path / "turned.npz", replace(labels, class_names=labels.class_names[::-1], class_index=turned)
    )
    one, other = (labels_of(FileLabels(path, "cbp"), data) for path in (saved[0], tmp_path / "turned.npz"))
    assert (one.class_index >= 0).any()
    assert torch.equal(one.class_index, other.class_index)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("video", "labels other videos, such as other 0, and none of the 11 training videos"),
        ("class", "has the class 'juggling knives', which the data do not have"),
        ("grid", r"has \d+ snippets of 1.28 s there and \d+ of 0.64 s in the data: give labels"),
        ("length", r"has \d+ snippets of 0.64 s there and \d+ of 0.64 s in the data: give labels"),
    ],
)
def test_labels_of_other_videos_are_refused(saved, pair, tmp_path, kind, message):
    labels = read_pseudo_labels(saved[0])
    bare = {name: value for name, value in vars(labels.grids).items() if name not in ("slices", "rows")}
    grids = VideoGrids(**bare)
    if kind == "class":
        labels = replace(labels, class_names=[*labels.class_names[:-1], "juggling knives"])
    elif kind == "video":
        labels = replace(labels, grids=replace(grids, video_ids=[f"other {i}" for i in range(11)]))
    elif kind == "grid":
        labels = replace(labels, grids=replace(grids, step_s=2 * grids.step_s))
    else:
        lengths = grids.lengths + np.r_[1, -1, np.zeros(9, int)]
        labels = replace(labels, grids=replace(grids, lengths=lengths))
    write_pseudo_labels(tmp_path / "other.npz", labels)
    with pytest.raises(PredictionError, match=message):
        FileLabels(tmp_path / "other.npz", "cbp").prepare(pair.data())


def test_the_student_must_be_named_where_there_are_two(saved, pair):
    with pytest.raises(ConfigError, match="has the labels of cbp and vlp: choose one with `student`"):
        FileLabels(saved[0]).prepare(pair.data())
    with pytest.raises(ConfigError, match="choose one with `student`"):
        FileLabels(saved[0], "hand").prepare(pair.data())


def test_videos_without_labels_are_counted(saved, pair, tmp_path):
    labels = read_pseudo_labels(saved[0])
    names = [*labels.grids.video_ids[:-1], "another"]
    bare = {name: value for name, value in vars(labels.grids).items() if name not in ("slices", "rows")}
    write_pseudo_labels(tmp_path / "fewer.npz", replace(labels, grids=VideoGrids(**{**bare, "video_ids": names})))
    with pytest.warns(UserWarning, match="labels 10 of 11 training videos"):
        found = labels_of(FileLabels(tmp_path / "fewer.npz", "cbp"), pair.data())
    assert (found.label[-1] == -1).all()
    assert (found.label[:-1] >= 0).any()


# From points --------------------------------------------------------------------------------------------------------


def clicks(data, path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("video", "label", "time"), *rows])
    return PointLabels(path)


def test_a_point_labels_the_snippet_around_it(pair, tmp_path):
    data = pair.data()
    video, test_video = data.videos("train")[3], data.videos("test")[0].video_id
    at = video.grid.edge_s(7) + 0.1
    rows = [(video.video_id, "rowing", at), (video.video_id, "archery", 0.0), (test_video, "rowing", 1.0)]
    found = labels_of(clicks(data, tmp_path / "points.csv", rows), data)
    assert found.label[3, :9].tolist() == [1, -1, -1, -1, -1, -1, -1, 1, -1]
    assert found.class_index[3, [0, 7]].tolist() == [0, 5]
    real = found.label[batch_of(data).mask]
    assert ((real == 1).sum(), (real == 0).sum()) == (2, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("video_0000", "knitting", 1.0), "line 2: the data have no class 'knitting'"),
        (("video_0000", "rowing", 1e6), "line 2: 1e[+]06 s lies outside video video_0000"),
        (("video_0000", "rowing", -1.0), "line 2: -1 s lies outside video video_0000"),
        (("nobody", "rowing", 1.0), "has no point in a training video, such as video_0000"),
    ],
)
def test_wrong_points_are_refused_in_one_sentence(pair, tmp_path, row, message):
    with pytest.raises(AnnotationError, match=message):
        clicks(None, tmp_path / "points.csv", [row]).prepare(pair.data())


def test_a_branch_learns_from_points_and_its_benchmark_says_so(pair, tmp_path):
    data = pair.data()
    rows = [(video.video_id, "rowing", 5.0) for video in data.videos("train")]
    model = branch(data, clicks(data, tmp_path / "points.csv", rows))
    pair.trainer(1).fit(model, data)
    assert data.benchmark.name == "synthetic, point-supervised"
    assert model.note == "points: points.csv"


def test_points_drawn_from_segments_say_so(pair, tmp_path):
    data = pair.data()
    write_points(tmp_path / "points.csv", draw_points(data.annotations.segments), "drawn from the segments of x.json")
    source = PointLabels(tmp_path / "points.csv")
    source.prepare(data)
    assert source.note == "points: points.csv, drawn from the segments of x.json"
    assert len(source.clicks(data).points) == data.annotations.segments["video_id"].isin(data.train_table().index).sum()


def test_spelling_of_a_class_makes_no_difference(pair, tmp_path):
    data = pair.data()
    source = clicks(data, tmp_path / "points.csv", [(data.videos("train")[0].video_id, "Rowing ", 3.0)])
    assert source.clicks(data).points[0].label == data.class_names.index("rowing")


def test_few_points_outside_their_videos_are_left_out_with_a_warning(pair, tmp_path):
    data = pair.data()
    video = data.videos("train")[0]
    rows = [(video.video_id, "rowing", 0.5 + i / 2) for i in range(12)] + [(video.video_id, "rowing", 1e4)]
    with pytest.warns(UserWarning, match="1 points are not used, as they lie outside their videos: .*line 14: 10000 s"):
        found = clicks(data, tmp_path / "points.csv", rows).clicks(data)
    assert len(found.points) == 12


def scores_of(batch: SnippetBatch, classes: int) -> SnippetScores:
    generator = torch.Generator().manual_seed(3)
    probability = torch.rand(*batch.mask.shape, classes, generator=generator)
    attention = torch.rand(batch.mask.shape, generator=generator)
    return SnippetScores(probability, attention, torch.ones(len(batch.video), classes))


@pytest.mark.parametrize("complete", [True, False])
def test_points_grow_in_whole_videos_and_in_crops_of_them(pair, tmp_path, complete):
    """In a crop the ends of the video that it does not show stay open; without all points nothing is background."""
    data = pair.data()
    write_points(tmp_path / "points.csv", draw_points(data.annotations.segments))
    source = PointLabels(tmp_path / "points.csv", complete=complete)
    source.prepare(data)
    whole = batch_of(data)
    own = source.labels(whole)
    for first, last in ((0, None), (15, 50)):
        crop = SnippetBatch({}, whole.mask[:, first:last], whole.grid_index[:, first:last], whole.labels, whole.video)
        scores = scores_of(crop, len(data.class_names))
        found = source.completed(crop, lambda scores=scores: scores)
        for row, length in enumerate(crop.mask.sum(dim=1).tolist()):
            places = np.flatnonzero(own.label[row] == 1) - first
            shown = (places >= 0) & (places < length)
            ends = not (places < 0).any(), not (places >= length).any()
            of_classes = (scores.attention[row, :length, None] * scores.probability[row, :length]).numpy()
            label, class_index = np.full(length, -1, np.int8), np.full(length, -1, np.int16)
            label[places[shown]] = 1
            class_index[places[shown]] = own.class_index[row, places[shown] + first]
            expected = grown(label, class_index, of_classes, ends=ends)
            if not complete:
                expected = np.where(expected[0] == 0, -1, expected[0]), expected[1]
            assert found.label[row, :length].tolist() == expected[0].tolist()
            assert found.class_index[row, :length].tolist() == expected[1].tolist()
            assert (found.label[row, length:] == -1).all()


def test_in_a_pair_points_stand_above_the_labels_of_the_teacher(pair, tmp_path):
    data = pair.data()
    write_points(tmp_path / "points.csv", draw_points(data.annotations.segments))
    lessons = Schedule(warm_up=1, pattern="F", from_vlp="both")
    plain, pointed = pair.model(data, lessons), pair.model(data, lessons)
    pointed.cbp.labels = source = PointLabels(tmp_path / "points.csv")
    buffers = []
    for model in (plain, pointed):
        trainer = pair.trainer(2)
        trainer.fit(model, data)
        buffers.append(trainer.fit_loop.buffers["cbp"])
    batch = batch_of(data)
    own, taught = source.labels(batch), buffers[1].labels(batch)
    places = (own.label == 1) & batch.mask
    assert places.sum() > 20
    assert (taught.label[places] == 1).all()
    assert torch.equal(taught.class_index[places], own.class_index[places])
    assert (buffers[0].labels(batch).label[places] != 1).any()
    vlp = pair.model(data, lessons).vlp  # VLP has no points, and its own training is what it was
    assert vlp.state_dict().keys() == pointed.vlp.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(*(m.vlp.state_dict().values() for m in (plain, pointed)), strict=True))
    assert data.benchmark.name == "synthetic, point-supervised"


def test_a_student_gets_its_instances_at_the_points_of_its_teacher(pair, tmp_path):
    data = pair.data()
    write_points(tmp_path / "points.csv", draw_points(data.annotations.segments))
    model = pair.model(data, Schedule(warm_up=1, pattern="F"))
    model.cbp.labels = PointLabels(tmp_path / "points.csv")
    pair.trainer(1).fit(model, data)
    found = distill(model.eval(), data)
    points = read_points(tmp_path / "points.csv").table
    for (name, label), rows in found.instances.groupby(["video_id", "label"]):
        times = points.loc[(points["video_id"] == name) & (points["label"] == label), "time_s"]
        assert len(rows) == len(times)
        for time_s in times:
            assert ((rows["start_s"] <= time_s) & (time_s <= rows["end_s"])).any()
    assert found.mark == "point-supervised"
    assert set(found.instances["video_id"]) == {video.video_id for video in data.videos("train")}


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (-0.1, 0.5), (0.2, 1.1)])
def test_shares_out_of_range_are_refused(tmp_path, low, high):
    with pytest.raises(ConfigError, match="Points need 0 <= low <= high <= 1"):
        PointLabels(tmp_path / "points.csv", low=low, high=high)


# From the segments --------------------------------------------------------------------------------------------------


class Untouchable:
    """Annotations whose segments nobody may read."""

    def __init__(self, annotations):
        self._annotations = annotations

    def __getattr__(self, name):
        assert name != "segments", "the segments were read"
        return getattr(self._annotations, name)


def test_without_the_door_no_training_reads_a_segment(pair, saved, tmp_path):
    sources = [None, FileLabels(saved[0], "cbp")]
    sources.append(clicks(None, tmp_path / "points.csv", [("video_0000", "rowing", 5.0)]))
    for labels in sources:
        data = pair.data(held_out=0.2)
        data.annotations = Untouchable(data.annotations)
        pair.trainer(1).fit(branch(data, labels), data)
        pair.trainer(2).fit(pair.model(data, Schedule(warm_up=0, pattern="BF")), data)
    with pytest.raises(AssertionError, match="the segments were read"):
        pair.trainer(1).fit(branch(data, SupervisedLabels()), data)


def test_segments_label_every_snippet(pair):
    data = pair.data()
    found, batch = labels_of(SupervisedLabels(), data), batch_of(data)
    segments = data.annotations.segments
    for row, video in enumerate(data.videos("train")):
        own = segments[segments["video_id"] == video.video_id]
        centres = [video.grid.edge_s(i + 0.5) for i in range(video.num_snippets)]
        inside = [((own["start_s"] <= t) & (t < own["end_s"])).any() for t in centres]
        label = found.label[row][batch.mask[row]].tolist()
        assert [bool(value) for value in label] == inside
        for index, t in enumerate(centres):
            over = own[(own["start_s"] <= t) & (t < own["end_s"])]["label"]
            if len(over):
                assert data.class_names[int(found.class_index[row, index])] in set(over)


def test_a_short_segment_labels_one_snippet_and_the_shorter_of_two_counts(pair):
    data = pair.data()
    video = data.videos("train")[0]
    edge_s = video.grid.edge_s
    rows = [(edge_s(2), edge_s(8), "rowing"), (edge_s(4), edge_s(6), "diving"), (edge_s(9.6), edge_s(9.8), "bowling")]
    segments = data.annotations.segments.iloc[:0]
    for start_s, end_s, label in rows:
        segments.loc[len(segments)] = {"video_id": video.video_id, "label": label, "start_s": start_s, "end_s": end_s}
    data.annotations = replace(data.annotations, segments=segments)
    found = labels_of(SupervisedLabels(), data)
    assert found.class_index[0, :11].tolist() == [-1, -1, 5, 5, 2, 2, 5, 5, -1, 1, -1]
    assert found.label[0, :11].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0]
    assert (found.label[1:] == -1).all()


@pytest.fixture
def supervised(pair, tmp_path):
    """A supervised fit and test: trainer, model and data."""
    data = pair.data()
    model = branch(data, SupervisedLabels())
    trainer = pair.trainer(1, WritePredictions(), ResultsTable(), logger=CSVLogger(tmp_path, "supervised"))
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    return trainer, model, data


def test_every_number_from_segments_says_so(supervised, capsys):
    trainer, model, data = supervised
    assert data.benchmark.name == "synthetic, supervised"
    assert read_about(RunFolder.of(trainer).path / "about.json").benchmark == "synthetic, supervised"
    config = {"seed_everything": 0}
    record = make_record(config, Identity.of(config), model, data, {}, None, 0.0)
    assert record.benchmark == "synthetic, supervised"


def test_the_printed_table_says_so(pair, tmp_path, capsys):
    data = pair.data()
    trainer = pair.trainer(1, ResultsTable())
    model = branch(data, SupervisedLabels())
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    assert "benchmark: synthetic, supervised" in " ".join(capsys.readouterr().out.split())


def test_a_supervised_checkpoint_says_so_wherever_it_is_tested(supervised, pair, tmp_path):
    trainer, *_ = supervised
    path = tmp_path / "supervised.ckpt"
    trainer.save_checkpoint(path)
    data = pair.data()
    again = branch(data, None)  # nothing but the checkpoint knows how it was trained
    pair.trainer(1).test(again, data, ckpt_path=path, verbose=False)
    assert data.benchmark.name == "synthetic, supervised"

    data = pair.data()
    pair.trainer(1).predict(again, data, ckpt_path=path)
    assert data.benchmark.name == "synthetic, supervised"

    data = pair.data()
    run = wtal.load(path, branch(data, None))
    assert run.model.marks == ("supervised",)
    score_videos(run.model, data, "test")
    assert data.benchmark.name == "synthetic, supervised"


def test_further_training_of_a_supervised_checkpoint_stays_marked(supervised, pair, tmp_path):
    trainer, *_ = supervised
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    data = pair.data()
    onward, model = pair.trainer(2), branch(data, None)
    onward.fit(model, data, ckpt_path=tmp_path / "a.ckpt")
    onward.save_checkpoint(tmp_path / "b.ckpt")
    assert torch.load(tmp_path / "b.ckpt", weights_only=True)["marks"] == ["supervised"]
    assert data.benchmark.name == "synthetic, supervised"


def test_pseudo_labels_of_a_supervised_teacher_are_marked_too(pair, tmp_path):
    data = pair.data()
    model = pair.model(data, Schedule(warm_up=1, pattern="J"))
    model.cbp.labels = SupervisedLabels()
    trainer = pair.trainer(2, WritePseudoLabels(), logger=CSVLogger(tmp_path, "run"))
    trainer.fit(model, data)
    student = branch(data := pair.data(), FileLabels(RunFolder.of(trainer).path / "pseudo_labels.npz", "vlp"))
    pair.trainer(1).fit(student, data)
    assert data.benchmark.name == "synthetic, supervised"


def test_missing_segments_cannot_be_learned_from(pair):
    data = pair.data()
    data.annotations = replace(data.annotations, segments=data.annotations.segments.iloc[:0])
    with pytest.raises(AnnotationError, match="the training videos have no segments to learn from"):
        pair.trainer(1).fit(branch(data, SupervisedLabels()), data)


# Any source ---------------------------------------------------------------------------------------------------------


class Packets(LabelSource):
    """Labels that change between epochs, as those of another process will."""

    def __init__(self):
        self.asked = []

    def refresh(self, epoch):
        self.version += 1
        self.asked.append(epoch)

    def labels(self, batch):
        label = torch.full(batch.mask.shape, self.version % 2, dtype=torch.int8)
        return PseudoLabels(label, torch.where(label == 1, 0, -1).to(torch.int16))


def test_a_source_may_refresh_itself_before_each_epoch(pair):
    data, source = pair.data(), Packets()
    pair.trainer(3).fit(branch(data, source), data)
    assert source.asked == [0, 1, 2]
    assert source.version == 3
    assert data.benchmark.name == "synthetic"


def test_in_a_pair_a_lesson_replaces_a_branchs_own_source(pair):
    data, source = pair.data(), Packets()
    model = pair.model(data, Schedule(warm_up=1, pattern="F"))
    model.cbp.labels = source
    heard = []
    model.cbp.learn = lambda batch, labels: heard.append(labels) or type(model.cbp).learn(model.cbp, batch, labels)
    trainer = pair.trainer(2)
    trainer.fit(model, data)
    assert heard == [source] * 3 + [trainer.fit_loop.buffers["cbp"]] * 3


def test_labels_without_a_loss_are_refused(pair):
    nothing = DistillationWeights(attention=0, classes=0, contrast=0)
    with pytest.raises(ConfigError, match="All weights of `distillation` are 0, so `labels` would change nothing"):
        branch(pair.data(), SupervisedLabels(), distillation=nothing)


def test_labels_smoothed_until_they_say_nothing_are_refused():
    with pytest.raises(ConfigError, match=r"`label_smoothing` must lie in \[0, 0.5\), got 0.5"):
        DistillationWeights(label_smoothing=0.5)
