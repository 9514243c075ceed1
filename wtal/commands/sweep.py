"""Run all trainings of a sweep file, without any server."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from wtal.errors import ConfigError
from wtal.io.ray_cluster import RaySettings
from wtal.io.shipped import find_config
from wtal.sweep.definition import SEED, read_sweep

__all__ = ["run"]


def run(
    file: Path,
    /,
    output: Path = Path("runs/sweep"),
    jobs: int = 1,
    seeds: Sequence[int] = (),
    retry: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray: RaySettings = RaySettings(),  # noqa: B008  frozen
    slurm: int = 0,
    slurm_partition: str | None = None,
    slurm_minutes: int = 1440,
    slurm_gpus: int = 1,
) -> None:
    """Run a sweep file without any server; `wandb sweep` takes the same file.

    Finished runs are never repeated, interrupted ones continue from their last checkpoint, and a failed one is shown
    with the reason. Start it again, or on a second machine with the same folder, at any time.

    Args:
        file: Sweep in wandb's format: `method` (grid, random, bayes), `parameters`, `command` with `${args}`.
        output: Folder of the runs; `wtal table` reads it.
        jobs: Number of trainings at a time.
        seeds: Seeds, each of which everything is run with; a search uses their mean.
        retry: Try failed runs again.
        engine: What trains: this machine, or ``ray``, processes that Ray starts on the machines of a cluster, which all
            see the folder and the data under the same paths. ``--jobs`` is then the number in the whole cluster.
        ray: The cluster, and what it reserves for a run, such as ``--ray.address auto --ray.cpus 4 --ray.gpus 1``.
        slurm: Number of workers to submit as SLURM jobs instead; each runs one training at a time.
        slurm_partition: Partition of the workers.
        slurm_minutes: Time limit of a worker; starting again continues what it leaves unfinished.
        slurm_gpus: Number of GPUs of each worker.

    Raises:
        ConfigError: If the file cannot be run.
    """
    from wtal.sweep.execution import Engine, Slurm, on_ray, run_sweep, submit

    path = find_config(file)
    sweep = read_sweep(path)
    if seeds and any(parameter.name == SEED for parameter in sweep.parameters):
        raise ConfigError(f"{file} varies {SEED} already: omit --seeds.")
    output.mkdir(parents=True, exist_ok=True)
    if slurm:
        ids = submit(path, output, seeds, Slurm(slurm, slurm_partition, slurm_minutes, slurm_gpus))
        print(f"{slurm} workers were submitted: {', '.join(ids)}.")
        return
    with on_ray(ray, jobs) if engine == "ray" else nullcontext(Engine()) as chosen:
        failed = run_sweep(sweep, output, jobs, seeds, retry, chosen)
    if failed:
        print(f"{failed} runs failed; their output.txt has the details. `--retry` tries them again.", file=sys.stderr)
        sys.exit(2)
