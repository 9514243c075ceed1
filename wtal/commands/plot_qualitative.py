"""Draw videos: ground truth, the branches, their fusion, and detections."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

__all__ = ["run"]


def run(
    run: Path,
    /,
    videos: Sequence[str],
    output: Path,
    apart: Path | None = None,
    label: str | None = None,
    split: Literal["test", "val", "train"] = "test",
) -> None:
    """Draw videos as the paper does: ground truth, CBP, VLP, and ours; curves above, detections below.

    Args:
        run: A checkpoint, or a folder whose newest `last.ckpt` is used.
        videos: Names of the videos, drawn one below the other.
        output: A .pdf, .png or .svg file.
        apart: Another run whose branches are drawn in place of the run's own, such as one without distillation.
        label: The class; by default the most frequent one of each video.
        split: Split of the videos; segments of training videos are not shown.

    Raises:
        WTALError: If a file does not exist, or a video is not in the split.
    """
    from wtal.api import load, predict
    from wtal.report.figures import panel_of, panel_of_both, qualitative_figure
    from wtal.report.style import check_figure_path, save_figure

    check_figure_path(output)
    ours = load(run)
    data, scores = ours.data, predict(ours, split=split, videos=videos)
    truth = data.named_segments(split)
    if apart is None:
        panels = [panel_of(scores[name], truth=truth, label=label) for name in videos]
    else:
        others = predict(load(apart), data, split, videos)
        panels = [panel_of_both(scores[name], others[name], truth, label) for name in videos]
    save_figure(qualitative_figure(panels, f"features: {data.features_note}"), output)
