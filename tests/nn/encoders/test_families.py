"""The image or video tower of every family of `transformers` sees what the library itself would see."""

import pickle
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from families import IMAGES, TRANSFORMERS, VIDEOS, make_open_clip, make_transformers
from PIL import Image
from torch import Tensor

from wtal.errors import ConfigError
from wtal.nn.encoders import FrameTower, ImageEncoder, open_frame_tower
from wtal.nn.encoders.frame_tower import encode_images
from wtal.types import Pixels

pytest.importorskip("transformers", reason="needs `wtal[transformers]`")
Make = Callable[[str], str]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    root = tmp_path_factory.mktemp("families")
    return cache(lambda name: make_transformers(root / name, name))


@pytest.fixture(scope="module")
def towers(make: Make) -> Callable[[str], FrameTower]:
    return cache(lambda name: open_frame_tower(make(name), "main"))


def frames(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 40, 60, 3), dtype=np.uint8))


def own_features(tower: FrameTower, seen: list[np.ndarray]) -> Tensor:
    """Features of images, or of one video, as the library computes them from its processor on."""
    images = [Image.fromarray(frame) for frame in seen]
    if tower.kind in IMAGES:
        inputs = tower.processor(images=images, return_tensors="pt")
        return F.normalize(tower.model.get_image_features(**inputs).pooler_output, dim=1)
    if tower.kind == "xclip":
        pixels = tower.processor(images, return_tensors="pt")["pixel_values"]
        found = tower.model.get_video_features(pixel_values=pixels.reshape(1, len(seen), 3, 32, 32)).pooler_output
        return F.normalize(found, dim=1)
    video = torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2)
    inputs = tower.processor([video], do_sample_frames=False, return_tensors="pt")
    ids = torch.tensor([[2, 3]])
    return F.normalize(tower.model(input_ids=ids, **inputs).video_embeds.flatten(1), dim=1)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_features_are_those_of_the_library_one_by_one_and_together(towers, name):
    tower = towers(name)
    prepare = tower.preparation()
    count = tower.together or 1
    seen = frames(3 * count)
    images = torch.stack([prepare(frame) for frame in seen]).unflatten(0, (3, count))
    features = encode_images(tower, images)
    parts = [seen[i : i + count] for i in range(0, len(seen), count)]
    torch.testing.assert_close(features, torch.cat([own_features(tower, part) for part in parts]), rtol=0, atol=1e-6)
    for row, image in zip(features, images, strict=True):
        torch.testing.assert_close(encode_images(tower, image[None])[0], row, rtol=0, atol=1e-6)
    assert features.shape == (3, tower.width)
    assert tower.together == {"xclip": 4, "pe_video": 16, "videoprism": 4}.get(name, 0)


def test_a_video_model_tells_the_order_of_frames(towers):
    tower = towers("xclip")
    images = torch.stack([tower.preparation()(frame) for frame in frames(4)])
    there, back = encode_images(tower, torch.stack([images, images.flip(0)]))
    assert not torch.allclose(there, back, atol=1e-4)


@pytest.mark.parametrize("name", ["clip", "siglip2", "pe_video"])
def test_red_and_blue_can_be_swapped_and_the_preparation_travels_to_workers(towers, name):
    prepare, swapped = (pickle.loads(pickle.dumps(towers(name).preparation(bgr))) for bgr in (False, True))
    (frame,) = frames(1)
    assert torch.equal(swapped(frame), prepare(frame[..., ::-1]))


def test_a_number_of_frames_that_does_not_fit(make, tmp_path):
    with pytest.raises(ConfigError, match="reads 4 frames of a snippet, not 8: leave out `frames_per_snippet`"):
        open_frame_tower(make("xclip"), "main", frames_per_snippet=8)
    with pytest.raises(ConfigError, match="reads 4 frames of a snippet together, and averages none: leave"):
        open_frame_tower(make("xclip"), "main", images=2)
    assert open_frame_tower(make("pe_video"), "main", frames_per_snippet=6).together == 6
    with pytest.raises(ConfigError, match=r"ViT-B-16\.json sees single images, not videos: give `images`"):
        open_frame_tower(make_open_clip(tmp_path, "ViT-B-16"), "random", frames_per_snippet=8)


@pytest.mark.parametrize("name", ["siglip", "xclip"])
def test_an_encoder_for_training_from_video(make, name):
    encoder = ImageEncoder(make(name), "main", images=1 if name in VIDEOS else 2)
    count = encoder.look.cut.images
    assert count == {"siglip": 2, "xclip": 4}[name]
    images = torch.stack([encoder.look.to_image(frame) for frame in frames(count)])[None]
    encoder.train()
    encoder.requires_grad_(True)
    features = encoder(Pixels(images=images))
    assert features.shape == (1, encoder.dim)
    features.square().mul(torch.arange(encoder.dim)).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_patches_of_their_own_size_cannot_be_mirrored(make):
    with pytest.raises(ConfigError, match="cannot be trained from video: take a model of images of one size"):
        ImageEncoder(make("siglip2"), "main")
