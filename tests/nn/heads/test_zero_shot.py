"""Cosines are read as the model was trained to."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.nn.heads import ZeroShotHead
from wtal.nn.text import Calibration, TextSource

MASK = torch.ones(1, 3, dtype=torch.bool)


class Texts(TextSource):
    """Texts along the axes, of a model with some calibration."""

    def __init__(self, class_names: list[str], calibration: Calibration | None) -> None:
        super().__init__(class_names)
        self.note, self.calibration = "", calibration

    def forward(self) -> Tensor:
        return torch.eye(len(self.class_names), 4)

    def vanilla(self) -> "Texts":
        return self


def head(calibration: Calibration | None, names: tuple[str, ...] = ("a", "b"), **options: float) -> ZeroShotHead:
    return ZeroShotHead(list(names), lambda found: Texts(found, calibration), **options)


def features() -> Tensor:
    return torch.rand(1, 3, 4, generator=torch.Generator().manual_seed(0))


def cosines(count: int) -> Tensor:
    return F.normalize(features(), dim=2)[..., :count]


def test_clip_keeps_its_plain_temperature_bit_for_bit():
    expected = cosines(2) / 0.01
    for known in (None, Calibration(100.0), Calibration(99.9951)):
        out = head(known)(features(), MASK)
        assert torch.equal(out.cas, expected)
        assert torch.equal(out.background, torch.full((1, 3), -100.0))


def test_another_scale_is_the_models_own_unless_a_temperature_is_given():
    torch.testing.assert_close(head(Calibration(20.0))(features(), MASK).cas, 20 * cosines(2))
    torch.testing.assert_close(head(Calibration(20.0), temperature=0.1)(features(), MASK).cas, 10 * cosines(2))


def test_one_class_of_a_sigmoid_model_has_the_probability_that_the_model_gives_it():
    out = head(Calibration(110.0, -16.0, "sigmoid"), ("a",))(features(), MASK)
    probability = out.plain.softmax(dim=2)[..., 0]
    torch.testing.assert_close(probability, (110 * cosines(1)[..., 0] - 16).sigmoid())


def test_a_given_temperature_ignores_a_sigmoid():
    out = head(Calibration(110.0, -16.0, "sigmoid"), temperature=0.01)(features(), MASK)
    assert torch.equal(out.cas, cosines(2) / 0.01)
