"""The configurations that come with the package, found by name from any folder."""

import os
import re
from difflib import get_close_matches
from pathlib import Path

import wtal
from wtal.errors import ConfigError

__all__ = ["find_config", "shipped_configs", "summary_of", "without_home"]


def shipped_configs() -> dict[str, Path]:
    """Paths of the shipped configurations by name, such as ``thumos14/collaboration.yaml``."""
    root = _root()
    return {file.relative_to(root).as_posix(): file for file in sorted(root.rglob("*.yaml"))}


def _root() -> Path:
    package = Path(wtal.__file__).parent
    inside, beside = package / "configs", package.parent / "configs"  # in a wheel, in a checkout
    return inside if inside.is_dir() else beside


def without_home(word: str) -> str:
    """A word of a command line in which a shipped configuration has the name that it has everywhere.

    >>> without_home(f"--config={find_config(Path('ablations/b_only.yaml'))}")
    '--config=configs/ablations/b_only.yaml'
    """
    return word.replace(f"{_root()}{os.sep}", "configs/")


def find_config(path: Path) -> Path:
    """The file itself if it exists, else the shipped configuration of that name, with or without ``configs/``.

    Raises:
        ConfigError: If there is neither; the message suggests similar names.

    >>> find_config(Path("configs/ablations/b_only.yaml")).name
    'b_only.yaml'
    """
    if path.exists():
        return path
    name, shipped = path.as_posix().removeprefix("configs/"), shipped_configs()
    if name in shipped:
        return shipped[name]
    alike = _alike(name, list(shipped))
    remedy = f"did you mean {' or '.join(alike)}?" if alike else "`wtal configs` lists all of them."
    raise ConfigError(f"{path} does not exist, and no shipped configuration has this name; {remedy}")


def _alike(name: str, known: list[str]) -> list[str]:
    """Names with the same last part, else similar ones; the suffix, which all share, does not count."""
    stems = {one.removesuffix(".yaml"): one for one in known}
    name = name.removesuffix(".yaml")
    last = name.rpartition("/")[2]
    same = [one for stem, one in stems.items() if stem.rpartition("/")[2] == last]
    alike = get_close_matches(name, stems, cutoff=0.7) or get_close_matches(last, stems, cutoff=0.7)
    return same or [stems[stem] for stem in alike]


def summary_of(path: Path) -> str:
    """The first sentence of a configuration's first comment line; empty if it has none."""
    comment = re.search(r"(?:^|\s)#\s*(.+)", path.read_text(encoding="utf-8"))
    return comment[1].partition(". ")[0].rstrip(" .:") if comment else ""
