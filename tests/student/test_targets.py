import torch

from wtal.student.targets import assign, in_crop

CENTRE = torch.tensor([*(i + 0.5 for i in range(8)), *(2 * i + 0.5 for i in range(4))])  # strides 1 and 2
STRIDE = torch.tensor([1.0] * 8 + [2.0] * 4)


def instances(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)


def test_a_short_instance_belongs_to_the_finest_level_near_its_centre():
    target = assign(CENTRE, STRIDE, instances((2, 5, 1, 0.5, 0)), classes=2)
    taught = (target.importance > 0).nonzero().squeeze(1).tolist()
    assert taught == [2, 3, 4]  # centres 2.5, 3.5, 4.5; the coarse level takes distances above 4
    assert target.labels[2:5].tolist() == [[0, 1]] * 3
    assert target.weight[2:5, 1].tolist() == [0.5] * 3
    assert target.bounds[3].tolist() == [2, 5]


def test_a_long_instance_belongs_to_the_coarse_level():
    target = assign(CENTRE, STRIDE, instances((0, 8, 0, 1, 0)), classes=1)
    taught = (target.importance > 0).nonzero().squeeze(1)
    assert set(CENTRE[taught].tolist()) <= {2.5, 3.5, 4.5, 5.5, 6.5}
    assert STRIDE[taught].max() == 2


def test_of_two_instances_the_shorter_one_is_learned():
    target = assign(CENTRE, STRIDE, instances((1, 5, 0, 1, 0), (2, 4, 1, 1, 0)), classes=2)
    assert target.bounds[2].tolist() == [2, 4]
    assert target.labels[2].tolist() == [0, 1]


def test_nothing_is_learned_about_the_class_of_an_ignored_instance():
    target = assign(CENTRE, STRIDE, instances((2, 4, 1, 1, 1)), classes=2)
    assert not target.importance.any()
    assert target.weight[:8, 1].tolist() == [1, 1, 0, 0, 1, 1, 1, 1]
    assert target.weight[:, 0].min() == 1


def test_a_crop_without_instances_is_background():
    target = assign(CENTRE, STRIDE, instances(), classes=3)
    assert target.weight.min() == 1
    assert not target.labels.any()


def test_a_crop_moves_and_cuts_instances_and_ignores_those_it_mostly_hides():
    seen = in_crop(instances((0, 3, 0, 1, 0), (3, 9, 0, 0.7, 0), (9, 20, 1, 1, 0)), first=4, length=6)
    assert seen[:, :2].tolist() == [[0, 5], [5, 6]]
    assert seen[:, 4].tolist() == [0, 1]
