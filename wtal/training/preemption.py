"""A training that is told to end keeps its last step, and under SLURM asks to be started again."""

import os
import signal
import subprocess

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from wtal.training.saving import run_folder

__all__ = ["CheckpointOnTerm"]


class CheckpointOnTerm(Callback):
    """Writes ``checkpoints/last.ckpt`` when SIGTERM ends a fit, as when a cluster takes its machine back.

    Lightning ends the fit between two steps, so ``--resume true`` goes on from there as if it had not been
    interrupted. After Ctrl-C, which may be in the middle of a step, the checkpoint of the last epoch stays.

    In a job of SLURM, SIGUSR1 (``#SBATCH --signal=USR1@120``) does the same and has the job put back in the queue.
    Lightning's own way is not taken: it saves in the middle of a step, to a file that every later job of the same root
    folder would go on from.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen."""
        self._requeue = False
        if stage == "fit" and "SLURM_JOB_ID" in os.environ:
            signal.signal(signal.SIGUSR1, self._hear)

    def _hear(self, *_: object) -> None:
        self._requeue = True
        os.kill(os.getpid(), signal.SIGTERM)  # Lightning hears this one at the end of the step

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write, and ask to be started again."""
        if not isinstance(exception, SIGTERMException) or trainer.state.fn != TrainerFn.FITTING:
            return
        path = run_folder(trainer) / "checkpoints" / "last.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            Console(stderr=True).print(f"Ended by SIGTERM; go on from {path}, or by --resume.", soft_wrap=True)
            if self._requeue:
                subprocess.run(["scontrol", "requeue", _job()], check=False)


def _job() -> str:
    """The job's own name, that of its place in an array included."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
