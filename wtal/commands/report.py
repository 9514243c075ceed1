"""Write one HTML page of runs or predictions."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["run"]


def run(
    sources: Sequence[Path],
    /,
    output: Path,
    annotations: Path | None = None,
    subset: str | None = None,
    tious: Sequence[float] = (),
    videos: Path | None = None,
    title: str | None = None,
    points: Path | None = None,
) -> None:
    """Write one HTML page that shows runs or predictions: tables, errors, training, and a timeline of every video.

    The page needs no other file and opens with a double click. Its numbers are computed from the predictions.

    Args:
        sources: Run folders, folders of `wtal compare`, or prediction files.
        output: Folder of the page, `index.html`.
        annotations: Ground truth for prediction files. Runs hold that of their test videos; for them this is the
            ground truth of the training videos, shown beside their pseudo-labels.
        subset: Subset of the annotations against which prediction files are measured.
        tious: Thresholds of temporal IoU; by default those of the run's benchmark, otherwise 0.1 to 0.7.
        videos: Folder of the video files, named like the videos; the page links to them where they are.
        title: Title of the page; by default the sources' names.
        points: Table `video,label,time` of points inside instances, to look at and to go on with. Points clicked in the
            page are saved as such a table, which `PointLabels` and `wtal init --points` take.

    Raises:
        WTALError: If a source cannot be read, or a tIoU lies outside (0, 1].
    """
    from rich.console import Console

    from wtal.report.page.build import write_page

    page = write_page(sources, output, annotations, subset, tious, videos, title, points)
    size = page.stat().st_size / 1e6
    Console(stderr=True).print(f"{page}: {max(size, 0.1):.1f} MB", soft_wrap=True, highlight=False)
