"""From runs and prediction files to one HTML page."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.io.files import drafted
from wtal.video.files import video_files

if TYPE_CHECKING:  # not needed by the command's help
    from wtal.report.page.material import Material

__all__ = ["render", "write_page"]

_TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_SCRIPTS = ("data", "list", "lanes", "points", "reading", "moving")  # concatenated in this order into one function


def write_page(
    sources: Sequence[Path],
    output: Path,
    annotations: Path | None = None,
    subset: str | None = None,
    tious: Sequence[float] = (),
    videos: Path | None = None,
    title: str | None = None,
    points: Path | None = None,
) -> Path:
    """Write one HTML page that shows runs or predictions; see ``wtal report`` for the arguments.

    Returns:
        The page, ``index.html`` in ``output``.

    Raises:
        WTALError: As :func:`~wtal.report.page.material.gather` raises, or if a tIoU lies outside (0, 1].
    """
    from wtal.report.page.material import gather, label

    material = gather(sources, annotations, subset, points)
    thresholds = tuple(tious) or material.about.tious or _TIOUS
    if not all(0 < tiou <= 1 for tiou in thresholds):
        raise ConfigError(f"Thresholds of temporal IoU lie in (0, 1], not {', '.join(map(str, thresholds))}.")
    if videos is not None and not videos.is_dir():
        raise ConfigError(f"{videos} is not a folder: give the folder of the video files in `--videos`.")
    name = title or " and ".join(dict.fromkeys(label(Path(source)) for source in sources))
    files = {} if videos is None else _links(videos, output)
    text = render(material, thresholds, name, files)
    page = output / "index.html"
    with drafted(page) as draft:
        draft.write_bytes(text.encode("utf-8", "replace"))  # a name may hold half a surrogate pair
    return page


def render(material: "Material", tious: Sequence[float], title: str, files: Mapping[str, str]) -> str:
    """The page as text.

    Args:
        material: Contents of the page.
        tious: Thresholds of temporal IoU.
        title: Title of the page.
        files: Links to video files, by the names of the videos.
    """
    with from_extra("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined

    from wtal.report.page.packing import pack
    from wtal.report.page.sections import sections
    from wtal.report.page.tables import percent
    from wtal.report.style import DARK_COLOURS, PAGE_COLOURS

    files_of_page = PackageLoader("wtal.report.page", "templates")
    environment = Environment(
        loader=files_of_page,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = sections(material, tuple(dict.fromkeys(tious)))
    style = environment.get_template("page.css").render(colours=PAGE_COLOURS, dark=DARK_COLOURS)
    parts = (files_of_page.get_source(environment, f"{name}.js")[0] for name in _SCRIPTS)
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();"
    return environment.get_template("index.html").render(
        title=title,
        style=style,
        script=script,
        policy=_policy(style, script, bool(files)),
        data=pack(material, shown.measured, files),
        page=shown,
        percent=percent,
    )


def _policy(style: str, script: str, media: bool) -> str:
    """Content-Security-Policy: only the page's own style and script run, and only videos beside the page are loaded."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    style_hash, script_hash = (f"'sha256-{digest}'" for digest in hashes)
    rules = {
        "default-src": "'none'",
        "style-src": style_hash,
        "script-src": script_hash,
        "media-src": "'self' file:" if media else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _links(folder: Path, output: Path) -> dict[str, str]:
    """Relative links to the video files in a folder and below it, by name without suffix."""
    links: dict[str, str] = {}
    for path in video_files(folder):
        relative = os.path.relpath(path.resolve(), output.resolve())
        links.setdefault(path.stem, quote(Path(relative).as_posix()))
    return links
