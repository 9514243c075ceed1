"""The image tower sees what open_clip itself would see."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from wtal.errors import ConfigError
from wtal.nn.encoders.clip_image import ImageTower, Preprocess
from wtal.nn.text.clip_text import ClipTextTower

CONFIGS = Path(__file__).parents[1] / "model_configs"


@pytest.fixture(scope="module")
def tower() -> ImageTower:
    return ImageTower(str(CONFIGS / "tiny-clip.json"), "random")


def frame(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(240, 320), (37, 81), (32, 32), (300, 20)])
def test_images_are_prepared_as_open_clip_does(tower: ImageTower, size: tuple[int, int]) -> None:
    expected = open_clip.image_transform(32, is_train=False)(Image.fromarray(frame(*size)))
    torch.testing.assert_close(Preprocess(tower.settings)(frame(*size)), expected, rtol=0, atol=0)


def test_each_model_has_its_own_preprocessing(tower: ImageTower) -> None:
    own = {"image_mean": (0.5, 0.4, 0.3), "image_interpolation": "bilinear", "image_resize_mode": "squash"}
    made, _, expected = open_clip.create_model_and_transforms("tiny-clip", **own)
    picture = frame(90, 160)
    found = Preprocess(made.visual.preprocess_cfg)(picture)
    torch.testing.assert_close(found, expected(Image.fromarray(picture)), rtol=0, atol=0)
    assert not torch.equal(found, Preprocess(tower.settings)(picture))


def test_red_and_blue_can_be_swapped(tower: ImageTower) -> None:
    picture = frame(64, 64)
    wrong = Preprocess(tower.settings, bgr=True)(picture)
    torch.testing.assert_close(wrong, Preprocess(tower.settings)(picture[..., ::-1].copy()), rtol=0, atol=0)


def test_features_are_those_of_open_clip_in_the_space_of_the_texts(tower: ImageTower) -> None:
    images = torch.stack([Preprocess(tower.settings)(frame(40, 50 + n)) for n in range(3)])
    expected = F.normalize(tower.model.encode_image(images), dim=1)
    torch.testing.assert_close(tower(images), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat([tower(one[None]) for one in images]), tower(images), rtol=0, atol=1e-6)
    texts = ClipTextTower(str(CONFIGS / "tiny-clip.json"), "random")
    assert texts.note == tower.note
    assert texts.encode(texts.tokenize(["a"])).shape[1] == expected.shape[1]


def test_missing_weights_are_reported() -> None:
    with pytest.raises(ConfigError, match="neither a file nor a tag"):
        ImageTower(str(CONFIGS / "tiny-clip.json"), "nowhere.pt")
