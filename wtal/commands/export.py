"""Write predictions as subtitles, ELAN annotations, label tracks of sound editors and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wtal.errors import ConfigError
from wtal.io.text import counted
from wtal.results.evaluation import labels_of
from wtal.results.exports import TABLES, Format, chosen_of, export_table, file_name, media_files, print_found
from wtal.results.implausible import time_notes
from wtal.results.predictions import empty_videos, read_predictions
from wtal.results.record import read_about
from wtal.results.run_folder import RunFolder
from wtal.results.sets import each_set

__all__ = ["run"]


def run(
    predictions: Sequence[Path],
    /,
    output: Path,
    formats: Sequence[Format] = ("vtt", "eaf", "csv"),
    videos: Path | None = None,
    minimum: float | None = None,
    overlapping: bool = False,
    names: Sequence[str] = (),
) -> None:
    """Write predictions for other programs.

    These are subtitles (`vtt`), ELAN annotations (`eaf`), label tracks of Audacity (`audacity`), selection tables of
    Raven (`raven`), and tables of all videos (`csv`, `json`).

    Args:
        predictions: Files (ActivityNet's JSON, CSV), folders of files that are parts of one set, or folders of runs,
            which hold one set per source.
        output: Folder of the results, with a subfolder for each of several sets.
        formats: Formats to write: csv and json make one file for all videos, the others one per video.
        videos: Folder of the videos, to which the eaf files then link.
        minimum: Lowest score in the files of single videos; by default 0.3 times the best score of the video, and no
            class whose best score lies below what the training has learned to be the lowest of an action (`floors` in
            `about.json`).
        overlapping: Keep detections in the files of single videos that overlap a better one of the same class.
        names: Names of the sets; by default their file names.

    Raises:
        PredictionError: If a file cannot be read, or a time in it is later than any video.
        ConfigError: If the folder of videos does not exist, or the names do not fit.
    """
    if videos is not None and not videos.is_dir():
        raise ConfigError(f"{videos} is not a folder: give the folder of the videos.")
    predictions = each_set(predictions)
    for label, path in zip(labels_of(predictions, names), predictions, strict=True):
        folder = output if len(predictions) == 1 else output.joinpath(*map(file_name, label.split("/")))
        table = read_predictions(path)
        all_videos = [*table["video_id"].unique(), *empty_videos(path)]
        media = {} if videos is None else media_files(videos, all_videos)
        floors = _floors(path) if minimum is None else {}
        export_table(table, folder, formats, all_videos, media, minimum=minimum, overlapping=overlapping, floors=floors)
        found = f"{counted(len(table), 'detection')} in {counted(len(all_videos), 'video')}"
        print(f"{path}: {found} -> {folder} ({_counts(formats, len(all_videos))})")
        for note in time_notes(table, {}, {}):
            print(f"{path}: {note}")
        if set(formats) - {*TABLES}:
            chosen = chosen_of(table, all_videos, minimum, overlapping, floors)
            print_found(chosen, folder, minimum is None and not floors)


def _counts(formats: Sequence[Format], videos: int) -> str:
    return ", ".join(f"{1 if kind in TABLES else videos} {kind}" for kind in formats)


def _floors(path: Path) -> Mapping[str, float]:
    """The lowest scores that the run of a prediction file has learned; none without such a run."""
    folder = RunFolder(path.parent.parent)
    if path != folder.predictions_of(path.stem) or not folder.about.is_file():
        return {}
    return read_about(folder.about).floors.get(path.stem, {})
