"""Sweeps: many trainings from one file in wandb's format, with or without its server."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.sweep.definition import Parameter, Sweep, read_sweep
    from wtal.sweep.execution import Engine, Slurm, on_ray, run_sweep, submit
    from wtal.sweep.runner import Outcome
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Engine",
    "Outcome",
    "Parameter",
    "Slurm",
    "Sweep",
    "on_ray",
    "read_sweep",
    "run_sweep",
    "submit",
]
