"""Write a trained model for other runtimes: ONNX, torch.export, OpenVINO."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

__all__ = ["run"]

_SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "openvino": ".xml"}


def run(
    source: Path,
    /,
    output: Path | None = None,
    format: Literal["onnx", "torch_export", "openvino"] = "onnx",
    trust: Sequence[str] = (),
) -> None:
    """Write a trained model, from features to the scores of all its sources, for other runtimes.

    Videos may have any length and number; padding is what the mask says. The file also holds the names of the classes
    and the settings of the localizer, so `wtal detect --model` needs nothing else. Its answers are compared with
    torch's at once, and a file that differs is not written.

    Args:
        source: Folder of a run, its checkpoint, or `hf://user/repo`.
        output: The file; by default `model.onnx`, `model.pt2` or `model.xml` here.
        format: Format of the file.
        trust: Packages besides this one whose classes the checkpoint may name, such as your own heads.

    Raises:
        CheckpointError: If there is no checkpoint, or the answers differ.
        ConfigError: If such a model cannot be exported.
    """
    from wtal.deployment.export import export_model
    from wtal.training.checkpoint import load

    trained = load(source, trust=trust)
    made = export_model(trained, output or Path(f"model{_SUFFIXES[format]}"), format)
    about = made.description
    print(f"{trained.path} -> {made.path}")
    print(f"{', '.join(about.streams)} -> {', '.join(about.sources)}, {len(about.class_names)} classes.")
    print(f"Largest difference of a score from torch's, in {made.batches} batches: {made.difference:.1e}.")
