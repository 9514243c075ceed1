"""What modules with one head share: how they read their streams, step, and keep an average of their weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from wtal.branches.encoded_stream import EncodedStream
from wtal.branches.labels import InstanceSource, LabelSource
from wtal.branches.localization import LocalizationModule
from wtal.branches.scheduling import due_plateaus, scheduler_config
from wtal.errors import FeatureError
from wtal.localization.localizer import Localizer
from wtal.nn.averaging import WeightAverage
from wtal.types import SnippetBatch
from wtal.views import View

__all__ = ["HeadModule"]


class HeadModule(LocalizationModule):
    """A head on the features of some streams, with an optimizer and an average of its weights.

    Subclasses set these attributes, make sense of the head's output and say what it learns.
    """

    view: View
    name: str
    streams: tuple[str, ...]
    head: nn.Module
    average: WeightAverage | None
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None
    labels: LabelSource | InstanceSource | None
    encoded: EncodedStream | None

    def __init__(self, class_names: Sequence[str], localizer: Localizer) -> None:
        super().__init__(class_names, localizer)
        self.encoded = None

    @property
    def views(self) -> tuple[View, ...]:
        """How figures show the module."""
        return (self.view,)

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of the checkpoint and of the source of labels."""
        own = (self.labels.mark,) if self.labels and self.labels.mark else ()
        return tuple(dict.fromkeys((*super().marks, *own)))

    def run_head(self, batch: SnippetBatch) -> Any:  # noqa: ANN401  whatever the head returns
        """The head's output for a batch; in evaluation mode by the average of its weights.

        Raises:
            FeatureError: If the batch lacks a stream that the module reads.
        """
        lacking = [name for name in self.streams if name not in batch.streams]
        if lacking:
            raise FeatureError(
                f"{self.view.title} reads the stream {lacking[0]!r}, but the data have {', '.join(batch.streams)}: "
                f"give its source in `data.{lacking[0]}.path` or `data.streams`."
            )
        encoded = self.encoded
        streams = [
            encoded(batch) if encoded is not None and name == encoded.stream else batch.streams[name]
            for name in self.streams
        ]
        features = streams[0] if len(streams) == 1 else torch.cat(streams, dim=2)
        if self.training or self.average is None:
            return self.head(features, batch.mask)
        return self.average(self.head, features, batch.mask)

    def total_loss(self, terms: Mapping[str, Tensor], count: int) -> Tensor:
        """The sum of the terms of a batch's loss; they are logged by name.

        Args:
            terms: Weighted terms.
            count: Number of videos in the batch.
        """
        loss = torch.stack(list(terms.values())).sum()
        for name, value in {**terms, "loss": loss}.items():
            # the mean of all processes, as a scheduler may wait for it in each of them
            self.log(f"train/{name}", value, on_epoch=True, on_step=False, batch_size=count, sync_dist=True)
        return loss

    def after_step(self) -> None:
        """Update the average of the weights, which from now on are trained."""
        self.head.is_trained = True  # type: ignore[assignment]
        if self.average is not None:
            self.average.update(self.head)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Lightning's own signature
        """Step and update the average at once: a checkpoint written after this batch must hold the average."""
        super().optimizer_step(*args, **kwargs)
        self.after_step()

    def on_train_epoch_end(self) -> None:
        """Step a scheduler that watches a metric."""
        for scheduler, metric in due_plateaus(self.trainer):
            scheduler.step(metric)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:  # noqa: ANN401  Lightning's own signature
        """Step the scheduler, unless it watches a metric and has stepped already."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  Lightning's own type is a long union
        """The optimizer of the trainable parameters, with its scheduler if there is one."""
        parameters: Any = [p for p in self.head.parameters() if p.requires_grad]
        if self.encoded is not None and self.encoded.is_trained:
            own = {"params": self.encoded.parameters_to_train(), "lr": self.encoded.encoding.lr}
            parameters = [{"params": parameters}, own]
        optimizer = self.optimizer(parameters)
        if self.lr_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler_config(self.lr_scheduler(optimizer), self)}
