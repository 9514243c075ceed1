"""Points drawn from segments, for experiments: where an annotator might have clicked."""

from typing import Literal

import numpy as np
import pandas as pd

__all__ = ["Distribution", "draw_points"]

Distribution = Literal["uniform", "gaussian"]

_DEVIATION = 1 / 6  # of a Gaussian, as a share of the length: the bounds are three deviations away


def draw_points(segments: pd.DataFrame, distribution: Distribution = "uniform", seed: int = 0) -> pd.DataFrame:
    """Draw one point inside each segment.

    Args:
        segments: Segments with the columns ``video_id``, ``label``, ``start_s`` and ``end_s``.
        distribution: ``uniform`` over the segment, or ``gaussian`` around its centre, drawn again until it lies inside.
        seed: Seed of the draw.

    Returns:
        One row per segment of positive length: ``video_id``, ``label``, ``time_s``.

    Source:
        The two distributions of LACP, arXiv:2108.05029, section 4; the deviation is our choice.
    """
    rng = np.random.default_rng(seed)
    kept = segments[segments["end_s"] > segments["start_s"]]
    length = len(kept)
    share = rng.random(length)
    if distribution == "gaussian":
        share = rng.normal(0.5, _DEVIATION, length)
        while (outside := (share <= 0) | (share >= 1)).any():
            share[outside] = rng.normal(0.5, _DEVIATION, outside.sum())
    time_s = kept["start_s"] + share * (kept["end_s"] - kept["start_s"])
    return kept[["video_id", "label"]].assign(time_s=time_s).reset_index(drop=True)
