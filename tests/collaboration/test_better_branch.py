import pytest
import torch
from pytorch_lightning import Callback

import wtal.collaboration.loop as loop
from wtal.collaboration import CollaborationModule, Schedule
from wtal.collaboration.better_branch import label_precision
from wtal.types import SnippetScores


def slow_precision(probability, attention, labels, length):
    """Average precision by its definition, for scores without ties."""
    pairs = [
        (float(probability[t, c] * attention[t]), bool(labels[c])) for t in range(length) for c in range(len(labels))
    ]
    pairs.sort(key=lambda pair: -pair[0])
    right, total = 0, 0.0
    for place, (_, shown) in enumerate(pairs, start=1):
        right += shown
        total += right / place if shown else 0.0
    return total / right


def test_label_precision_agrees_with_its_definition_and_ignores_padding():
    generator = torch.Generator().manual_seed(0)
    probability, attention = torch.rand(3, 9, 5, generator=generator), torch.rand(3, 9, generator=generator)
    labels = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    lengths = (9, 6, 4)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    found = label_precision(SnippetScores(probability, attention, labels), labels, mask)
    for row in (0, 1):
        expected = slow_precision(probability[row], attention[row], labels[row], lengths[row])
        assert float(found[row]) == pytest.approx(expected, abs=1e-6)
    assert found[2].isnan()


class Lessons(Callback):
    """The students that learn from both branches, by epoch."""

    def __init__(self):
        self.agreed = []

    def on_train_epoch_start(self, trainer, module):
        self.agreed.append([lesson.student for lesson in module.step.lessons if lesson.agreed])


@pytest.mark.parametrize(
    ("better", "exchange", "agreed"),
    [
        ("vlp", False, [[], [], ["vlp"], []]),
        ("cbp", False, [[], [], [], ["cbp"]]),
        (None, False, [[], [], [], []]),
        ("vlp", True, [[], [], [], ["vlp"]]),
    ],
)
def test_the_better_branch_learns_from_both_whoever_teaches_first(pair, monkeypatch, better, exchange, agreed):
    measured = []
    monkeypatch.setattr(loop, "better_branch", lambda *given: measured.append(given) or better)
    data, lessons = pair.data(), Lessons()
    schedule = Schedule(warm_up=2, pattern="BF", agree="auto", exchange=exchange)
    pair.trainer(4, lessons).fit(pair.model(data, schedule), data)
    assert lessons.agreed == agreed
    ((precisions, labels),) = measured  # once, after the warm-up
    assert list(precisions) == ["cbp", "vlp"]
    assert all(0 < value <= 1 for value in precisions.values())
    shown = [sum(data.dataset("train")[row].labels > 0) for row in range(len(data.videos("train")))]
    assert labels == pytest.approx(float(sum(shown)) / len(shown))


def test_what_was_measured_is_kept_by_a_resumed_run_and_known_to_the_loaded_model(pair, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "better_branch", lambda *_: "vlp")
    data, schedule = pair.data(), Schedule(warm_up=1, pattern="BF", agree="auto")
    trainer = pair.trainer(2)
    trainer.fit(pair.model(data, schedule), data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")

    monkeypatch.setattr(loop, "better_branch", lambda *_: pytest.fail("It was measured again."))
    lessons, model = Lessons(), pair.model(data, schedule)
    assert [lesson.agreed for lesson in model.lessons] == [False, False]
    pair.trainer(4, lessons).fit(model, data, ckpt_path=tmp_path / "last.ckpt")
    assert lessons.agreed == [[], ["vlp"]]
    assert isinstance(model, CollaborationModule)
    assert [lesson.agreed for lesson in model.lessons] == [True, False]
    assert model.schedule.agree == "auto"
