"""Weakly-supervised temporal action localization: find when actions happen, having learned from video-level labels.

A training in Python, from a table ``video,label,start,end,subset`` and a folder with the features of each video::

    from functools import partial

    import wtal
    from pytorch_lightning import Trainer
    from wtal.branches import CBPBranch
    from wtal.data import CustomDataModule, FeatureSource
    from wtal.nn.heads import AttentionMILHead

    data = CustomDataModule("labels.csv", i3d=FeatureSource("features", fps=25, stride=16), batch_size=4)
    head = partial(AttentionMILHead, in_dim=data.dims["i3d"])
    model = CBPBranch(data.class_names, head)
    trainer = Trainer(max_epochs=20)
    trainer.fit(model, data)

    scores = wtal.predict(model, data)
    found = wtal.localize(scores)  # a table: video_id, label, start_s, end_s, score
    print(wtal.evaluate(found, data))

On the command line the same is ``wtal fit`` and ``wtal test``. ``wtal.load`` opens the run of a training there.

The names of :mod:`wtal.api` are names of the package, imported when first used: ``wtal.load``, ``wtal.predict``,
``wtal.localize``, ``wtal.evaluate``, ``wtal.plot``, and the types ``wtal.Run`` and ``wtal.VideoScores``.
"""

from typing import TYPE_CHECKING

from wtal import _torchvision_compat
from wtal._lazy import lazy
from wtal._version import __version__ as __version__

if TYPE_CHECKING:
    from wtal.api import Run, VideoScores, evaluate, load, localize, plot, predict
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["Run", "VideoScores", "evaluate", "load", "localize", "plot", "predict"]

_torchvision_compat.install()
