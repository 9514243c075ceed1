"""Extraction by a cluster of Ray: shares of the videos, each by the same function as on one machine."""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from wtal.data.remote_store import videos_in
from wtal.extraction.pipeline import Extraction, Layout, Running, extract_features, store_folders
from wtal.extraction.writing import Outcome
from wtal.io.ray_cluster import RaySettings, RayTasks, connected
from wtal.io.remote import is_remote_address

__all__ = ["extract_on_ray"]

_WAITING = 1000  # shares that Ray knows at a time


def extract_on_ray(
    videos: Mapping[str, Path],
    output: Path,
    making: Extraction,
    running: Running,
    layout: Layout = "store",
    settings: RaySettings = RaySettings(),  # noqa: B008  frozen
    share: int = 16,
) -> Outcome:
    """Make the features of videos that have none yet on the machines of a cluster.

    A share whose process or machine is lost is done again, without the videos that it had finished.

    Args:
        videos: Video files by name.
        output: Folder of the features, which all machines see, or its address.
        making: How the features are made.
        running: How the work of one task is spread over what Ray reserves for it.
        layout: Layout of the folder.
        settings: The cluster, and what it reserves for a task.
        share: Number of videos of a task.

    Returns:
        The outcome for the videos that had none.

    Raises:
        ConfigError: If there is no such cluster, or a setting is wrong.
        WTALError: As :func:`~wtal.extraction.pipeline.extract_features` does.
    """
    folders = [output / folder for folder in store_folders(making, layout).values()]
    present = set.intersection(*map(videos_in, folders))
    missing = {name: path.absolute() for name, path in videos.items() if name not in present}
    output = output if is_remote_address(output) else output.absolute()
    shares = shares_of(missing, share)
    here = replace(running, cores=max(1, int(settings.cpus)), devices="1" if settings.gpus else "auto")
    outcome = Outcome()
    if not shares:
        return outcome
    with connected(settings.address, math.ceil(settings.cpus * min(len(shares), _cores(settings))), "ray.address"):
        tasks = RayTasks(settings)
        with ThreadPoolExecutor(min(len(shares), _WAITING)) as pool:
            futures = [pool.submit(tasks.call, extract_features, one, output, making, here, layout) for one in shares]
            try:
                for future in as_completed(futures):
                    _add(outcome, future.result())
            except BaseException:  # a mistake that all shares have in common, or Ctrl-C
                pool.shutdown(wait=False, cancel_futures=True)
                tasks.end()
                raise
    return outcome


def shares_of(videos: Mapping[str, Path], count: int) -> list[dict[str, Path]]:
    """Videos in shares of similar length, by the sizes of their files.

    Args:
        videos: Video files by name.
        count: Largest number of videos of a share.
    """
    ordered: Sequence[str] = sorted(videos, key=lambda name: -videos[name].stat().st_size)
    number = math.ceil(len(ordered) / count)
    return [{name: videos[name] for name in ordered[first::number]} for first in range(number)]


def _cores(settings: RaySettings) -> int:
    """Number of tasks at a time for which a cluster on this machine is made."""
    return max(1, int((os.cpu_count() or 1) / settings.cpus))


def _add(outcome: Outcome, part: Outcome) -> None:
    for kind in ("written", "damaged", "failed", "offset_s"):
        getattr(outcome, kind).update(getattr(part, kind))
