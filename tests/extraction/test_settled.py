from dataclasses import replace
from pathlib import Path

import numpy as np

from wtal.data.appending import StoreAppender
from wtal.data.manifest import Manifest
from wtal.extraction.pipeline import Extraction
from wtal.extraction.settled import known_settings, settle
from wtal.types import TimeGrid

I3D = Manifest(
    TimeGrid(25, 8, 16),
    1024,
    "float32",
    {"a": 3},
    origin={"rgb": "rgb.pt (sha256 1)", "flow": "flow.pt (sha256 2)", "optical flow": "dis"},
    crop="ten, averaged",
)
CLIP = Manifest(
    TimeGrid(25, 8, 16),
    512,
    "float32",
    {"a": 3},
    origin={"clip": "ViT-B-32 (laion2b)", "frames a snippet": 2, "colours": "bgr"},
    crop="as open_clip",
)


def test_manifests_state_how_features_were_made(tmp_path: Path) -> None:
    (tmp_path / "rgb.pt").touch()
    networks = {"rgb_weights": str(tmp_path / "rgb.pt"), "flow_weights": "/moved/since/flow.pt"}
    known = known_settings({"i3d": replace(I3D, networks=networks), "clip": CLIP})
    assert Extraction(**known) == Extraction(
        streams=("rgb", "flow", "clip"),
        rgb_weights=tmp_path / "rgb.pt",
        clip_model="ViT-B-32",
        clip_weights="laion2b",
        flow="dis",
        crops="ten",
        bgr=True,
        stride=8,
        images=2,
    )
    assert known_settings({"i3d": Manifest(TimeGrid(), 0, "", {}), "clip": None}) == {}  # no video yet


def test_a_network_of_which_there_are_no_features_yet_is_not_left_out(tmp_path: Path) -> None:
    store = StoreAppender(tmp_path / "i3d", I3D.grid, origin={"rgb": "rgb.pt (sha256 1)"}, crop="center")
    store.add("a", np.zeros((3, 1024), np.float32))
    assert settle({}, {}, tmp_path, None).making.streams == ("rgb", "clip")


def test_options_come_before_the_text_tower_and_that_before_what_is_stored(tmp_path: Path) -> None:
    store = StoreAppender(tmp_path / "clip", CLIP.grid, origin=CLIP.origin, crop=CLIP.crop)
    store.add("a", np.zeros((3, 512), np.float32))
    settled = settle({"stride": 4}, {"model": "ViT-L-14"}, tmp_path, None)
    assert (settled.making.stride, settled.making.clip_model, settled.making.images) == (4, "ViT-L-14", 2)
    assert settled.stored["stride"] == 8
    assert settled.remark == "As existing features were made: images 2, bgr True, clip_weights laion2b."
    assert settle({}, {}, tmp_path / "none", None) == (Extraction(), {}, "")
