"""Snippets to features: I3D and CLIP behind one ``predict_step``, so that Lightning spreads the work."""

from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from wtal.data.resumable import leave_sigterm
from wtal.nn.encoders.frame_tower import FrameTower, encode_images
from wtal.nn.encoders.i3d import I3D
from wtal.nn.encoders.i3d import Stream as I3DStream
from wtal.nn.encoders.i3d_encoder import encode_crops
from wtal.video.crops import Crops
from wtal.video.snippets import Cut, Job, SnippetBatches, Snippets, Stream

__all__ = ["Extractor"]


class Extractor(pl.LightningModule):
    """The networks, and the videos that they process.

    Args:
        jobs: All videos; each process takes its share of them.
        cut: How the videos are cut into snippets.
        i3d: The networks of those of the streams ``rgb`` and ``flow`` that are extracted.
        clip: The image or video tower; None if ``clip`` is not extracted.
        crops: What I3D sees of a frame; the features of several crops are averaged.
        bgr: Whether to swap red and blue, see :meth:`~wtal.nn.encoders.FrameTower.preparation`.
        batch_size: Number of snippets in a batch.
        num_workers: Processes that decode and compute flow while this one computes features; 0 for none.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        cut: Cut,
        i3d: Mapping[I3DStream, I3D],
        clip: FrameTower | None = None,
        crops: Crops = "center",
        bgr: bool = False,
        batch_size: int = 8,
        num_workers: int = 1,
    ) -> None:
        super().__init__()
        self.jobs, self.cut, self.crops, self.bgr = jobs, cut, crops, bgr
        self.batch_size, self.num_workers = batch_size, num_workers
        self.i3d, self.clip = nn.ModuleDict({str(stream): network for stream, network in i3d.items()}), clip

    @property
    def mine(self) -> range:
        """Indices of this process's jobs."""
        return range(self.trainer.global_rank, len(self.jobs), self.trainer.world_size)

    def predict_dataloader(self) -> DataLoader[Snippets]:
        """This process's share of the videos."""
        to_image = self.clip.preparation(self.bgr) if self.clip else None
        batches = SnippetBatches(self.jobs, self.mine, self.cut, to_image, self.batch_size)
        workers = min(self.num_workers, len(self.mine))
        on_gpu = self.device.type == "cuda"
        return DataLoader(
            batches, batch_size=None, num_workers=workers, pin_memory=on_gpu, worker_init_fn=leave_sigterm
        )

    @torch.no_grad()
    def predict_step(self, batch: Snippets, batch_idx: int) -> dict[Stream, Tensor]:
        """Features of each stream in the batch, ``(N, D)`` float32 on the CPU."""
        found: dict[Stream, Tensor] = {}
        pixels: dict[I3DStream, Tensor | None] = {"rgb": batch.rgb, "flow": batch.flow}
        for stream, frames in pixels.items():
            if frames is not None:
                network = self.i3d[stream]
                assert isinstance(network, I3D)
                found[stream] = encode_crops(network, frames, stream, self.crops)
        if batch.images is not None and self.clip is not None:
            found["clip"] = encode_images(self.clip, batch.images)
        return {stream: rows.cpu() for stream, rows in found.items()}
