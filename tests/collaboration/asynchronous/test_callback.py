import numpy as np
import pytest
import torch

from wtal.branches import Branch, LabelSource
from wtal.collaboration import Fusion, Schedule, Thresholds
from wtal.collaboration.asynchronous import (
    ExchangeCallback,
    ExchangeSettings,
    FolderExchange,
    Journal,
    LabelPacket,
    lesson_of_teacher,
    own_lessons,
)
from wtal.collaboration.asynchronous.teaching import Teacher
from wtal.errors import PredictionError
from wtal.types import PseudoLabels

SCHEDULE = Schedule(warm_up=1, pattern="BF", from_vlp="both", agree="F")
EPOCHS = 7  # in turns; each branch trains 4, of 3 steps
SURE = Thresholds(0.6, 0.4)


def callback(pair, model, name, folder, settings=None, follow=None, exchange=None):
    views = (model.cbp.view, model.vlp.view)
    teacher = Teacher(lesson_of_teacher(SCHEDULE, views, name), SURE, Fusion(), name == "cbp", True)
    return ExchangeCallback(
        exchange or FolderExchange(pair.folder / "x"),
        settings or ExchangeSettings(),
        own_lessons(SCHEDULE, views, name, EPOCHS),
        teacher,
        SCHEDULE.warm_up,
        Journal(folder / name / "journal.jsonl"),
        follow,
    )


def train(pair, name, folder, **options):
    data = pair.data()
    model = pair.model(data, SCHEDULE)
    made = callback(pair, model, name, folder, **options)
    trainer = pair.trainer(len(made.lessons), made)
    branch = model.branches[name]
    trainer.fit(branch, data)
    made.finish(trainer, branch)
    return branch, made


class FirstSnippet(LabelSource):
    """Calls the first snippet of each crop foreground of class 1, above any teacher."""

    overrides = True

    def labels(self, batch):
        label, class_index = (torch.full(batch.mask.shape, -1, dtype=kind) for kind in (torch.int8, torch.int16))
        label[:, 0] = class_index[:, 0] = 1
        return PseudoLabels(label, class_index)


def publish(pair, data, version, step, is_final=False, name="vlp"):
    total = sum(data.train_lengths)
    label = (np.arange(total) % 3 - 1).astype(np.int8)
    empty = np.zeros(0, np.float16)
    classes = np.where(label == 1, 0, -1).astype(np.int16)
    made = LabelPacket(version, step, is_final, SURE, label, classes, empty, empty.reshape(0, 0))
    FolderExchange(pair.folder / "x").publish(name, made)


@pytest.fixture
def data(pair):
    data = pair.data()
    data.setup("fit")
    return data


def test_a_branch_publishes_from_the_warm_up_on_and_its_final_labels_last(pair, data):
    publish(pair, data, 1, 3, is_final=True)
    _, made = train(pair, "cbp", pair.folder / "x")
    given = made.journal.given()
    assert [event.step for event in given] == [3, 6, 9, 12, 12]
    packets = [FolderExchange(pair.folder / "x").read("cbp", event.version) for event in given]
    assert [packet.is_final for packet in packets] == [False] * 4 + [True]
    assert [packet.digest for packet in packets] == [event.digest for event in given]
    assert {-1, 0} <= set(packets[-1].label.tolist())


def test_without_a_recent_packet_a_branch_goes_on_and_the_age_never_exceeds_the_bound(pair, data):
    publish(pair, data, 1, 3)
    settings = ExchangeSettings(every=2, bound=2, beyond="go_on", decay=0.5)
    _, made = train(pair, "cbp", pair.folder / "x", settings=settings)
    taken = [(event.step, event.version, event.age) for event in made.journal.taken()]
    assert taken == [(3, 1, 0), (5, 1, 1), (7, 1, 2), (9, 0, 0)]


def test_a_waiting_branch_takes_the_packet_when_it_comes(pair, data, monkeypatch):
    waits = []

    def come(seconds):
        waits.append(seconds)
        publish(pair, data, len(waits), 3 * len(waits))

    monkeypatch.setattr("wtal.collaboration.asynchronous.callback.time.sleep", come)
    _, made = train(pair, "cbp", pair.folder / "x", settings=ExchangeSettings(bound=1))
    taken = [(event.step, event.version, event.age) for event in made.journal.taken()]
    assert taken == [(3, 1, 0), (6, 1, 1), (9, 2, 1)]


def test_the_labels_of_a_packet_are_learned_from_and_lose_weight_with_age(pair, data):
    publish(pair, data, 1, 3)
    weights = {}
    for decay in (1.0, 0.5):
        settings = ExchangeSettings(every=1, bound=99, decay=decay)
        branch, _ = train(pair, "cbp", pair.folder / f"j{decay}", settings=settings)
        weights[decay] = torch.cat([p.flatten() for p in branch.parameters()])
        for file in (pair.folder / "x" / "cbp" / "packets").iterdir():
            file.unlink()
    assert not torch.equal(weights[1.0], weights[0.5])


@pytest.mark.parametrize("published", [True, False])
def test_a_source_that_overrides_teachers_stands_above_their_packets(pair, data, published, monkeypatch):
    seen = []
    learned = Branch.distillation_losses
    monkeypatch.setattr(Branch, "distillation_losses", lambda *given: seen.append(given[-1]) or learned(*given))
    if published:
        publish(pair, data, 1, 3, is_final=True)
    model = pair.model(data, SCHEDULE)
    model.cbp.labels = FirstSnippet()
    made = callback(pair, model, "cbp", pair.folder / "x", ExchangeSettings(beyond="go_on"))
    pair.trainer(len(made.lessons), made).fit(model.cbp, data)
    assert all((pseudo.label[:, 0] == 1).all() and (pseudo.class_index[:, 0] == 1).all() for pseudo in seen)
    assert len(seen) == 12
    assert any((pseudo.label[:, 1:] >= 0).any() for pseudo in seen) == published


def test_a_packet_of_other_videos_is_refused(pair):
    other = pair.data(held_out=0.3)
    other.setup("fit")
    publish(pair, other, 1, 3)
    with pytest.raises(PredictionError, match="both branches must train on the same videos"):
        train(pair, "cbp", pair.folder / "x")


def test_a_replay_is_equal_bit_for_bit_and_notices_another_training(pair, data):
    publish(pair, data, 1, 3)
    settings = ExchangeSettings(every=2, bound=2, beyond="go_on", decay=0.5)
    first, made = train(pair, "cbp", pair.folder / "x", settings=settings)
    publish(pair, data, 2, 6)  # a new packet must not be taken
    again, repeated = train(pair, "cbp", pair.folder / "r", settings=settings, follow=Journal(made.journal.path))
    for one, other in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert repeated.journal.given() == made.journal.given()
    changed = Journal(made.journal.path)
    changed.events = [event for event in changed.events if getattr(event, "version", 1) or event.step < 9]
    with pytest.raises(PredictionError, match="other"):
        train(pair, "cbp", pair.folder / "s", settings=settings, follow=changed)


def test_fused_labels_are_those_of_the_fused_scores(pair, data):
    """Against a plain computation with the full scores of both branches, for lessons that are agreed."""
    from wtal.collaboration.pseudo_labels import pseudo_labels

    model = pair.model(data, SCHEDULE).eval()
    trainer = pair.trainer(1)
    trainer.datamodule = data
    views = (model.cbp.view, model.vlp.view)
    fusion = Fusion(0.3, 0.6, 0.5)
    cbp = Teacher(lesson_of_teacher(SCHEDULE, views, "cbp"), SURE, fusion, True, True)
    vlp = Teacher(lesson_of_teacher(SCHEDULE, views, "vlp"), SURE, fusion, False, True)
    own = cbp.packet(trainer, model.cbp, 1, False, None)
    fused = vlp.packet(trainer, model.vlp, 1, False, own)
    expected = []
    with torch.no_grad():
        for batch in data.pseudo_label_dataloader():
            scores = fusion(model.cbp.scores(batch), model.vlp.scores(batch))
            expected.append(pseudo_labels(scores, batch.labels, batch.mask, SURE, (0, 1)).label[batch.mask])
    same = fused.label == torch.cat(expected).numpy()
    assert same.mean() > 0.98  # half precision moves a score across a threshold now and then
    assert len(set(fused.label.tolist())) == 3
