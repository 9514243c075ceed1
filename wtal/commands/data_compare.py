"""Say why two sets of features of the same videos give other numbers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from wtal.data.feature_comparison import FeatureComparison, compare_features
from wtal.io.text import counted, few
from wtal.results.tables import print_table

__all__ = ["run"]

_MOST_ROWS = 12  # videos in the table


def run(a: Path, b: Path, /, output: Path | None = None, most: int = 50, names: Sequence[str] = ()) -> None:
    """Compare two sets of features of the same videos, and say in one sentence what makes them differ.

    Found are other lengths, an offset, another stride or frame rate, rescaling to a fixed length, scale, rows of length
    1, standardised channels, RGB and flow swapped or left out, arrays (channels, snippets), RGB of another colour order
    (BGR) or flow of another method where the other half of the channels agrees, another crop, another network, and
    other videos. Where manifests of `wtal extract` state a difference, it is quoted.

    Args:
        a: Features: a store of `wtal extract` (the folder of one stream), a folder with a file of each video, a file of
            several videos, or `hf://user/repo/i3d`.
        b: The features to compare with them.
        output: Figure (.pdf, .png or .svg): the rows of one video that meet, lengths, and cosines by video.
        most: Largest number of videos that are read.
        names: Videos to compare, by default any that both have.

    Raises:
        FeatureError: If features cannot be read, or there is no video that both have.
        ConfigError: If the figure has another extension.
    """
    if output is not None:
        from wtal.report.feature_comparison import comparison_figure
        from wtal.report.style import check_figure_path, save_figure

        check_figure_path(output)
    comparison = compare_features(a, b, most, names)
    _show(comparison)
    if output is not None:
        save_figure(comparison_figure(comparison), output)
        print(f"The figure is in {output}.")
    print(comparison.verdict)


def _show(comparison: FeatureComparison) -> None:
    rows = {
        name: {
            "rows of A": str(one.lengths[0]),
            "rows of B": str(one.lengths[1]),
            "rate": f"{one.alignment.rate:.3g}",
            "offset": f"{one.alignment.offset:+.0f}" if one.alignment.offset else "0",
            "cosine": _number(one.cosine),
            "as they are": _number(one.as_they_are),
            "first half": _number(one.halves[0]),
            "second half": _number(one.halves[1]),
            "scale": f"{one.scale:.3g}",
        }
        for name, one in list(comparison.videos.items())[:_MOST_ROWS]
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "video"
    only = [f"only in {name}: {few(videos)}" for name, videos in zip("AB", comparison.only, strict=True) if videos]
    caption = f"A: {comparison.a.path}, B: {comparison.b.path}; {counted(comparison.common, 'video')} in both"
    compared = f"{len(comparison.videos)} compared, of which {len(rows)} are shown"
    print_table(table, "; ".join([caption, *only, compared, "offset: the row of B at which A begins"]))


def _number(value: float) -> str:
    return "" if value != value else f"{value:.3f}"
