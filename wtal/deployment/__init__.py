"""Trained models outside torch: features to scores in ONNX, torch.export or OpenVINO."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.deployment.description import Description
    from wtal.deployment.export import Export, Format, export_model
    from wtal.deployment.module import ExportedModule
    from wtal.deployment.network import ScoringNetwork
    from wtal.deployment.scorer import Scorer
else:  # a scorer needs no torch
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["Description", "Export", "ExportedModule", "Format", "Scorer", "ScoringNetwork", "export_model"]
