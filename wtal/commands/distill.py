"""Make pseudo-instances of a run's training videos, from which a student learns."""

from collections.abc import Sequence
from pathlib import Path

from wtal.errors import ConfigError

__all__ = ["run"]


def run(
    source: Path,
    /,
    output: Path,
    share: float = 0.5,
    ignored: float = 0.25,
    inputs: Sequence[str] = (),
    quality: bool = False,
) -> None:
    """Make pseudo-instances of a run's training videos, from which a student learns.

    OUTPUT gets ``pseudo_instances.json``, annotations that are marked as pseudo, with the score, weight, vote and
    spread of each instance, ``student.yaml``, the configuration of a student (``wtal fit -c OUTPUT/student.yaml``), and
    ``supervised.yaml``, that of the same student on true segments, whose numbers are marked. Only scores and video
    labels of the training videos are used. The run of a student gives the labels of a next round.

    Args:
        source: Folder of a run, or its checkpoint.
        output: Folder of the results.
        share: Least score of an instance, as a share of the best of its video and class.
        ignored: Candidates between this share and `share` are neither instances nor background.
        inputs: What the student reads: names of streams of the data, ``teacher``, the run's scores, and ``similarity``,
            cosines of snippets and the run's class texts; by default the streams that the run reads. The last two are
            written to ``OUTPUT/inputs`` for all videos of the data, and `wtal detect` cannot make them.
        quality: Print precision and recall at tIoU 0.5 against the segments of the training videos, if there are any;
            nothing is chosen by them.

    Raises:
        ConfigError: If a share is out of range, an input is unknown, or the run's configuration is gone.
        CheckpointError: If there is no checkpoint.
        WTALError: If the run's data cannot be read.
    """
    from wtal.io.fingerprint import fingerprint
    from wtal.results.pseudo_instances import write_pseudo_instances
    from wtal.student.distill import distill, label_quality, student_settings, write_configs
    from wtal.student.inputs import check_inputs
    from wtal.student.pseudo_instances import Selection
    from wtal.training.checkpoint import load
    from wtal.training.settings import read_settings

    selection = Selection(share=share, ignored=ignored)
    trained = load(source)
    data = trained.data
    check_inputs(inputs, trained.model, data)
    about = {"teacher": fingerprint(trained.path), "sources": list(trained.model.sources)}
    found = distill(trained.model, data, selection, {**about, "share": share, "ignored": ignored})
    path = output / "pseudo_instances.json"
    write_pseudo_instances(path, found)
    if trained.config is None:
        raise ConfigError(f"There is no config.yaml above {trained.path}: the student's data are not known.")
    settings = student_settings(trained.model, data, read_settings(trained.config), path, inputs)
    write_configs(settings, output)
    sure = found.instances[found.instances["ignored"] == 0]
    print(f"{path}: {len(sure)} pseudo-instances in {sure['video_id'].nunique()} of {len(found.videos)} videos.")
    if quality:
        segments = data.annotations.segments
        segments = segments[segments["video_id"].isin(found.videos.keys())]
        if segments.empty:
            print("Label quality is not known, as the training videos have no segments.")
        else:
            precision, recall = label_quality(found.instances, segments)
            print(
                f"Label quality at tIoU 0.5: precision {100 * precision:.1f} %, recall {100 * recall:.1f} % "
                "(measured only; nothing is chosen by it)."
            )
    print(f"Next: wtal fit -c {output / 'student.yaml'}")
