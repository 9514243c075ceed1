"""A model and data of the smallest kind, to test the command line without the real ones."""

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from wtal.errors import AnnotationError, FeatureError


class _Broken(TensorDataset):
    def __getitem__(self, index):
        raise FeatureError("Video v1 in v1.npy has NaN in row 3: extract it again.")


class ToyData(LightningDataModule):
    def __init__(self, classes: int = 3, workers: int = 0, broken: bool = False):
        super().__init__()
        if not classes:
            raise AnnotationError("toy.csv names no class: add one.")
        self.class_names = [f"class {i}" for i in range(classes)]
        self.workers, self.broken = workers, broken

    def train_dataloader(self):
        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
        y = (x[:, :1] > 0).float().expand(-1, len(self.class_names))
        return DataLoader((_Broken if self.broken else TensorDataset)(x, y), batch_size=4, num_workers=self.workers)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


class ToyModel(LightningModule):
    """A linear model.

    Args:
        class_names: Names of the classes.
        width: Units of the hidden layer.
        lr: Learning rate.
        interrupt: Behave as if Ctrl-C were pressed in the first step.
    """

    def __init__(self, class_names: list[str], width: int = 8, lr: float = 0.1, interrupt: bool = False):
        super().__init__()
        self.save_hyperparameters()
        if width < 1:
            raise ValueError(f"`width` must be at least 1, got {width}.")
        self.net = nn.Sequential(nn.Linear(4, width), nn.Dropout(), nn.Linear(width, len(class_names)))
        self.lr, self.interrupt = lr, interrupt

    @property
    def step_name(self) -> str:
        return "warm-up" if self.current_epoch == 0 else "B: CBP teaches VLP"

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.interrupt:
            raise KeyboardInterrupt
        loss = nn.functional.binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])
        self.log("train/vlp/mil" if self.current_epoch else "train/cbp/mil", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/quality", self.net(batch[0]).mean(), prog_bar=True)
        self.log("val/hidden", self.net(batch[0]).mean())

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("test/quality", self.net(batch[0]).mean())

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.net(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)
