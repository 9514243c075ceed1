import pytest
import torch

from wtal.video.crops import crop, mirror, to_clip


def frames(height, width, channels=3):
    """Each pixel of a window is different, as far as 8 bits allow."""
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, height, width, channels), dtype=torch.uint8, generator=g)


@pytest.mark.parametrize(("height", "width", "top", "left"), [(256, 340, 16, 58), (257, 227, 16, 1), (224, 224, 0, 0)])
def test_the_centre_by_index(height, width, top, left):
    x = frames(height, width)
    cut = crop(x)
    assert cut.shape == (2, 1, 3, 224, 224, 3)
    assert torch.equal(cut[:, 0], x[:, :, top : top + 224, left : left + 224])


@pytest.mark.parametrize("flow", [False, True])
def test_ten_crops_by_index(flow):
    x = frames(7, 9, 2 if flow else 3)
    cut = crop(x, "ten", flow, size=4)
    assert cut.shape == (2, 10, 3, 4, 4, x.shape[-1])
    for k, (top, left) in enumerate([(0, 0), (0, 5), (1, 2), (3, 0), (3, 5)]):
        for i in range(4):
            for j in range(4):
                assert torch.equal(cut[:, k, :, i, j], x[:, :, top + i, left + j])
                seen = x[:, :, top + i, 8 - left - j].clone()
                if flow:
                    seen[..., 0] = 255 - seen[..., 0]
                assert torch.equal(cut[:, 5 + k, :, i, j], seen)


def test_a_mirror_leaves_the_frames_alone_and_undoes_itself():
    x = frames(5, 6, 2)
    before = x.clone()
    assert torch.equal(mirror(mirror(x, flow=True), flow=True), before)
    assert torch.equal(x, before)


def test_small_frames_are_refused():
    with pytest.raises(ValueError, match="224 pixels need larger frames than 300 by 200"):
        crop(frames(200, 300), "ten")


def test_a_clip_is_channels_first_in_the_network_range():
    x = frames(5, 6)
    clip = to_clip(x)
    assert clip.shape == (2, 3, 3, 5, 6)
    assert clip.dtype == torch.float32
    assert clip[1, 2, 0, 4, 3].item() == pytest.approx(x[1, 0, 4, 3, 2].item() / 127.5 - 1, abs=1e-6)
