"""A terminated training keeps its last step, and under SLURM goes back into the queue."""

import os
import signal
import subprocess

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from wtal.results.run_folder import RunFolder

__all__ = ["CheckpointOnTerm"]


class CheckpointOnTerm(Callback):
    """Writes ``checkpoints/last.ckpt`` when SIGTERM ends a fit, as when a cluster reclaims the machine.

    Lightning ends the fit between two steps, so ``--resume true`` continues from there as if there had been no
    interruption. After Ctrl-C, which may come in the middle of a step, the checkpoint of the last epoch stays.

    In a SLURM job, SIGUSR1 (``#SBATCH --signal=USR1@120``) does the same and puts the job back into the queue.
    Lightning's own handling is not used: it saves in the middle of a step, to a file from which every later job of the
    same root folder would continue.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Install the handler of SIGUSR1."""
        self._requeue = False
        if stage == "fit" and "SLURM_JOB_ID" in os.environ:
            signal.signal(signal.SIGUSR1, self._requeue_after_step)

    def _requeue_after_step(self, *_: object) -> None:
        self._requeue = True
        os.kill(os.getpid(), signal.SIGTERM)  # Lightning handles this one at the end of the step

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the checkpoint, and requeue the job."""
        if not isinstance(exception, SIGTERMException) or trainer.state.fn != TrainerFn.FITTING:
            return
        path = RunFolder.of(trainer).last
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            Console(stderr=True).print(f"Ended by SIGTERM; `--resume true` continues from {path}.", soft_wrap=True)
            if self._requeue:
                subprocess.run(["scontrol", "requeue", _job()], check=False)


def _job() -> str:
    """The job's identifier, with its index if it belongs to an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
