import pytest
import torch

from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.errors import CheckpointError
from wtal.types import PseudoLabels


def full(lengths, first=0):
    """Labels of full-length, padded videos: every snippet has a value of its own kind."""
    index = torch.arange(max(lengths)).expand(len(lengths), -1)
    mask = index < torch.tensor(lengths)[:, None]
    label = ((index + first) % 3 - 1).to(torch.int8)
    return index, mask, PseudoLabels(label, torch.where(label == 1, index, -1).to(torch.int16))


def test_what_is_written_is_found_again_at_any_place():
    lengths = [4, 2, 6]
    buffer = PseudoLabelBuffer(lengths)
    index, mask, pseudo = full(lengths)
    buffer.begin()
    buffer.write(torch.arange(3), index, mask, pseudo)
    buffer.end(lambda tensor: tensor)
    crop = torch.tensor([[5, 1, 3], [1, 0, 0]])
    found = buffer.lookup(torch.tensor([2, 1]), crop)
    assert found.label.tolist() == [[pseudo.label[2, i] for i in (5, 1, 3)], [pseudo.label[1, i] for i in (1, 0, 0)]]
    assert found.class_index.tolist() == [
        [pseudo.class_index[2, i] for i in (5, 1, 3)],
        [pseudo.class_index[1, i] for i in (1, 0, 0)],
    ]


def test_two_processes_write_what_one_writes():
    lengths = [4, 2, 6]
    index, mask, pseudo = full(lengths)
    one, first, second = (PseudoLabelBuffer(lengths) for _ in range(3))
    for buffer, videos in ((one, [0, 1, 2]), (first, [0, 2]), (second, [1])):
        buffer.begin()
        buffer.write(torch.tensor(videos), index[videos], mask[videos], PseudoLabels(*(t[videos] for t in pseudo)))
    one.end(lambda tensor: tensor)
    other = iter([second.label, second.class_index])
    first.end(lambda tensor: torch.maximum(tensor, next(other)))
    assert torch.equal(first.label, one.label)
    assert torch.equal(first.class_index, one.class_index)


def test_an_unlabelled_snippet_is_an_error_and_not_ignored():
    buffer = PseudoLabelBuffer([3])
    buffer.begin()
    with pytest.raises(RuntimeError, match="without a pseudo-label"):
        buffer.end(lambda tensor: tensor)


def test_shares_add_up():
    buffer = PseudoLabelBuffer([4])
    buffer.label = torch.tensor([1, 0, 0, -1], dtype=torch.int8)
    assert buffer.shares() == {"foreground": 0.25, "background": 0.5, "ignored": 0.25}


def test_state_belongs_to_a_training_set():
    buffer = PseudoLabelBuffer([2, 3])
    buffer.label[1] = 1
    again = PseudoLabelBuffer([2, 3])
    again.load_state_dict(buffer.state_dict())
    assert torch.equal(again.label, buffer.label)
    with pytest.raises(CheckpointError, match="2 training videos"):
        PseudoLabelBuffer([3, 2]).load_state_dict(buffer.state_dict())


def test_labels_move_with_their_videos_and_new_ones_have_none():
    buffer = PseudoLabelBuffer([2, 3, 1])
    buffer.label, buffer.class_index = torch.arange(6, dtype=torch.int8), torch.arange(6, dtype=torch.int16) + 10
    moved = buffer.moved([2, None, 0], [1, 4, 2])
    assert moved.label.tolist() == [5, -1, -1, -1, -1, 0, 1]
    assert moved.class_index.tolist() == [15, -1, -1, -1, -1, 10, 11]
    assert moved.offsets.tolist() == [0, 1, 5, 7]
    assert buffer.label.tolist() == [0, 1, 2, 3, 4, 5]
