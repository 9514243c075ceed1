"""Draw one point an instance from annotations, for experiments with point supervision."""

from collections.abc import Sequence
from pathlib import Path

from wtal.data.annotations import read_annotations
from wtal.data.drawn_points import Distribution, draw_points
from wtal.data.points import write_points
from wtal.errors import AnnotationError
from wtal.io.text import counted

__all__ = ["run"]


def run(
    annotations: Path,
    /,
    output: Path,
    distribution: Distribution = "uniform",
    subset: Sequence[str] = (),
    fps: float | None = None,
    seed: int = 0,
) -> None:
    """Draw one point an instance from segments, for experiments: `video,label,time`, which `PointLabels` reads.

    The file states that its points were drawn from segments, and so does every table of a training on them. Points that
    people have clicked need no such command: any table `video,label,time` will do.

    Args:
        annotations: A file or folder of annotations with segments.
        output: File of the points.
        distribution: `uniform` over each segment, or `gaussian` around its centre.
        subset: Subsets of the videos; by default all.
        fps: Frame rate, for annotations whose times are frames.
        seed: Seed of the draw.

    Raises:
        AnnotationError: If the annotations cannot be read, or have no segment.
    """
    content = read_annotations(annotations, fps=fps)
    videos = content.in_subset(subset, "--subset") if subset else content.videos
    points = draw_points(content.segments[content.segments["video_id"].isin(videos.index)], distribution, seed)
    if points.empty:
        raise AnnotationError(f"{annotations} has no segments to draw points from.")
    write_points(output, points, f"drawn from the segments of {annotations.name} ({distribution}, seed {seed})")
    print(f"{output}: {counted(len(points), 'point')} in {counted(points['video_id'].nunique(), 'video')}.")
