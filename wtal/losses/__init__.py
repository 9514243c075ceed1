"""Losses, one function each, on tensors alone."""

from wtal.losses.distillation import (
    among_labels_distillation,
    attention_distillation,
    class_distillation,
    contrastive_distillation,
)
from wtal.losses.video import (
    background_mil_losses,
    co_activity_loss,
    guidance_loss,
    mil_loss,
    sparsity_loss,
    with_background,
)

__all__ = [
    "among_labels_distillation",
    "attention_distillation",
    "background_mil_losses",
    "class_distillation",
    "co_activity_loss",
    "contrastive_distillation",
    "guidance_loss",
    "mil_loss",
    "sparsity_loss",
    "with_background",
]
