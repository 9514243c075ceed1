"""A training that is told to end keeps its last step."""

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
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write it."""
        if isinstance(exception, SIGTERMException) and trainer.state.fn == TrainerFn.FITTING:
            path = run_folder(trainer) / "checkpoints" / "last.ckpt"
            trainer.save_checkpoint(path)
            if trainer.is_global_zero:
                Console(stderr=True).print(f"Ended by SIGTERM; go on from {path}, or by --resume.", soft_wrap=True)
