"""The embedded benchmark of real video files: what tells the classes apart is the motion, and the scene misleads.

Features of its stores are those of small random networks, so a head on them learns little; a training from video
improves the networks too. Results say something about the code and the idea, not about real video, and every table
says so.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wtal.data.made_up import MadeUpDataModule, write_once
from wtal.data.store import StoreWriter, write_npy
from wtal.io.extras import from_extra
from wtal.simulation.rendering import RENDERED_CLASSES, RenderedParams, frames_of, scene_pictures, storyboard
from wtal.types import Benchmark, Pixels

__all__ = ["RenderedDataModule", "write_rendered"]


class RenderedDataModule(MadeUpDataModule):
    """The rendered benchmark, made when first used: video files, annotations, features of random networks.

    Args:
        root: Folder of the benchmark, which is written unless it exists.
        params: Parameters of the videos.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.
    """

    def __init__(
        self,
        root: Path = Path("runs/rendered"),
        params: RenderedParams = RenderedParams(),  # noqa: B008  frozen
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        root = Path(root)
        write_rendered(root, params)
        self.params = params
        super().__init__(
            root,
            Benchmark.as_thumos14("rendered"),
            f"random networks on rendered videos, seed {params.seed}",
            root / "videos",
            **options,
        )


def write_rendered(root: Path, params: RenderedParams) -> None:
    """Write the benchmark to a folder, unless it has that of equal parameters.

    Written: ``videos/VIDEO.mp4``; ``annotations.json`` (ActivityNet form); the stores ``i3d`` (a
    :class:`~wtal.nn.encoders.TinyMotionEncoder`) and ``clip`` (a :class:`~wtal.nn.encoders.TinyImageEncoder`);
    ``text/text.npy``, for each class the features of its bare scene, with ``text/classes.txt``; and ``params.json``.
    The folder appears only when it is complete.

    Raises:
        ConfigError: If the folder holds other files.
    """
    write_once(root, params, ("annotations.json", "videos"), lambda fresh: _write(fresh, params))


def _write(fresh: Path, params: RenderedParams) -> None:
    (fresh / "videos").mkdir()
    (fresh / "text").mkdir()
    database = {}
    for number in range(params.train_videos + params.test_videos):
        rng = np.random.default_rng([params.seed, number])
        board, name = storyboard(params, rng), f"video_{number:04d}"
        _encode_file(fresh / "videos" / f"{name}.mp4", list(frames_of(board, params, rng)), params.fps)
        database[name] = {
            "subset": "train" if number < params.train_videos else "test",
            "duration": len(board.scene) / params.fps,
            "annotations": [
                {"segment": [a.start / params.fps, a.stop / params.fps], "label": RENDERED_CLASSES[a.label]}
                for a in board.actions
            ],
        }
    _write_features(fresh, params, list(database))
    (fresh / "text" / "classes.txt").write_text("\n".join(RENDERED_CLASSES) + "\n")
    (fresh / "annotations.json").write_text(json.dumps({"version": "rendered", "database": database}, indent=1))


@torch.no_grad()
def _write_features(fresh: Path, params: RenderedParams, names: list[str]) -> None:
    from wtal.nn.encoders import TinyImageEncoder, TinyMotionEncoder
    from wtal.video.film import Film

    images = TinyImageEncoder()
    for stream, encoder in {"i3d": TinyMotionEncoder(), "clip": images}.items():
        with StoreWriter(fresh / stream, encoder.look.cut.grid, origin=encoder.origin, crop=encoder.crop) as store:
            for name in names:
                film = Film(name, fresh / "videos" / f"{name}.mp4", encoder.look)
                store.add(name, torch.cat([encoder(part) for part in film.parts(8)]).numpy())
    assert images.look.to_image is not None
    texts, rng = [], np.random.default_rng([params.seed, 1 << 20])
    for label in range(len(RENDERED_CLASSES)):
        pictures = torch.stack([images.look.to_image(p) for p in scene_pictures(label, params, 8, rng)])
        texts.append(images(Pixels(images=pictures[:, None])).mean(dim=0).numpy())
    write_npy(fresh / "text" / "text.npy", np.stack(texts))


def _encode_file(path: Path, pictures: list[np.ndarray], fps: int) -> None:
    """A file of MPEG-4 video with a key picture every 12."""
    with from_extra("video"):
        import av
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=Fraction(fps))
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 12
        stream.bit_rate = 1_000_000
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode(None))
