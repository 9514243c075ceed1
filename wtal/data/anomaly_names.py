"""What the names of files say in data sets of anomalies: the video, its crop, and whether anything abnormal happens."""

import re
from typing import NamedTuple

from wtal.video.files import video_name

__all__ = [
    "ANOMALY",
    "UCF_CRIME_CLASSES",
    "XD_VIOLENCE_CLASSES",
    "FeatureFile",
    "classes_named",
    "feature_file",
    "kinds_of",
]

ANOMALY = "anomaly"  # the only kind where a data set does not tell kinds apart
UCF_CRIME_CLASSES = (
    "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery", "Shooting",
    "Shoplifting", "Stealing", "Vandalism",
)  # fmt: skip
_XD_CODES = {
    "B1": "fighting", "B2": "shooting", "B4": "riot", "B5": "abuse", "B6": "car accident", "G": "explosion",
}  # fmt: skip
XD_VIOLENCE_CLASSES = tuple(_XD_CODES.values())
_NORMAL = {"normal", "a", "0", ""}


class FeatureFile(NamedTuple):
    """What the path of a feature file says."""

    video_id: str
    crop: int | None  # None if the file holds all crops, or there are none


def feature_file(path: str) -> FeatureFile:
    r"""The video of a feature file, without folder, ending and the number of its crop.

    >>> feature_file(r"G:\\UCF_Train_ten_crop_i3d\\Abuse001_x264_i3d.npy")
    FeatureFile(video_id='Abuse001_x264', crop=None)
    >>> feature_file("v=Ab-1__#1_label_B2-G-0__4.npy")
    FeatureFile(video_id='v=Ab-1__#1_label_B2-G-0', crop=4)
    """
    name = video_name(re.split(r"[/\\]", path.strip())[-1].removesuffix(".npy"))
    crop = re.search(r"__(\d+)$", name)
    name = name[: crop.start()] if crop else name
    return FeatureFile(re.sub(r"_(i3d|c3d|clip|rgb|flow)$", "", name, flags=re.IGNORECASE), crop and int(crop[1]))


def classes_named(text: str) -> tuple[str, ...] | None:
    """The kinds of anomaly that a label stands for; none if it means a normal video, None if it is unknown.

    >>> [classes_named(text) for text in ("Normal", "B2-G-0", "A", "RoadAccidents", "high jump")]
    [(), ('shooting', 'explosion'), (), ('RoadAccidents',), None]
    """
    text, names = text.strip(), (*XD_VIOLENCE_CLASSES, *UCF_CRIME_CLASSES, ANOMALY)
    if text.lower() in _NORMAL:
        return ()
    known = {name.lower(): name for name in names} | {name: name for name in names}
    if found := known.get(text) or known.get(text.lower()):
        return (found,)
    codes = [code for code in text.split("-") if code not in ("0", "")]
    return tuple(dict.fromkeys(_XD_CODES[code] for code in codes)) if set(codes) <= _XD_CODES.keys() else None


def kinds_of(video_id: str) -> tuple[str, ...] | None:
    """The kinds of anomaly in a video of UCF-Crime, XD-Violence or ShanghaiTech, by its name alone.

    ShanghaiTech numbers the videos of its first, wholly normal part with three digits and the others, which are all
    abnormal, with four.

    Returns:
        None if the name says nothing.

    >>> [kinds_of(name) for name in ("Abuse028_x264", "Normal_Videos_003_x264", "Normal_Videos316_x264")]
    [('Abuse',), (), ()]
    >>> [kinds_of(name) for name in ("v=a__#1_label_B4-0-0", "A.Film__#0_label_A", "01_0015", "01_015", "run")]
    [('riot',), (), ('anomaly',), (), None]
    """
    if video_id.startswith("Normal"):
        return ()
    if label := re.search(r"_label_([A-Z0-9-]+)$", video_id):
        return classes_named(label[1])
    if crime := re.fullmatch(r"([A-Za-z]+)\d+(_x264)?", video_id):
        return (crime[1],) if crime[1] in UCF_CRIME_CLASSES else None
    if scene := re.fullmatch(r"\d\d_(\d{3,4})", video_id):
        return (ANOMALY,) if len(scene[1]) == 4 else ()
    return None
