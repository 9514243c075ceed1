"""Export of a trained model, with its answers compared with those of torch at once."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import Tensor

from wtal.deployment.description import Description
from wtal.deployment.network import ScoringNetwork, branches_of, known_statistics, known_widths, made_up
from wtal.deployment.scorer import DESCRIPTION, Scorer
from wtal.errors import CheckpointError, ConfigError, WTALError
from wtal.extraction.detection import text_tower
from wtal.extraction.settled import learned_settings
from wtal.io.bounds import read_json
from wtal.io.extras import from_extra
from wtal.io.files import drafted, write_text
from wtal.results.run_folder import RunFolder
from wtal.training.checkpoint import Run
from wtal.types import SnippetBatch

__all__ = ["SUFFIXES", "Export", "Format", "describe", "export_model"]

Format = Literal["onnx", "torch_export", "openvino"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch_export": ".pt2", "openvino": ".xml"}
_EXAMPLE = (24, 17)  # lengths of the videos that are traced
_TRIALS = ((1,), (2, 1), (24, 17), (7, 130, 64), (700,))  # lengths of the videos whose answers are compared
_TOLERANCE = 1e-4  # in scores, which lie in [0, 1]


@dataclass(frozen=True)
class Export:
    """An exported model.

    Args:
        path: The file.
        description: What it states about itself.
        difference: Largest difference of a score of a real snippet from torch's.
        batches: Number of batches that were compared.
    """

    path: Path
    description: Description
    difference: float
    batches: int


def export_model(run: Run, path: Path, form: Format) -> Export:
    """Write a model from features to scores, and compare its answers with those of torch.

    Args:
        run: The run.
        path: The file, which appears only if the answers agree.
        form: Its format.

    Returns:
        The export, with the largest difference.

    Raises:
        CheckpointError: If the answers differ.
        ConfigError: If the model cannot be exported, or the path has another suffix than the format.
        MissingPackageError: If a package that the format needs is not installed.
    """
    if path.suffix != SUFFIXES[form]:
        raise ConfigError(f"{path} must end in {SUFFIXES[form]}, which is the format {form}.")
    if not hasattr(torch.compiler, "is_exporting"):
        raise ConfigError(
            f"torch {torch.__version__} cannot export with any number of snippets: install torch 2.7 or newer."
        )
    description = describe(run)
    network = ScoringNetwork(run.model, tuple(description.streams)).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".wtal-export-", dir=path.parent) as draft:
        made = Path(draft, path.name)
        try:
            with _quiet():
                _WRITERS[form](network, description, made)
        except (WTALError, OSError):
            raise
        except Exception as error:  # exporters raise anything for what they do not know
            heads = ", ".join(type(head).__name__ for head in network.heads)
            raise ConfigError(
                f"The format {form} cannot hold the model of {run.path} ({heads}): try another."
            ) from error
        difference = _difference(run, Scorer.open(made), description.streams)
        if not difference <= _TOLERANCE:
            raise CheckpointError(
                f"The {form} model of {run.path} differs from torch by {difference:.2g} in a score: it was not written;"
                " try another format or another version of its packages."
            )
        for file in sorted(Path(draft).iterdir(), key=lambda one: one == made):  # the model comes last
            file.replace(path.with_name(file.name))
    return Export(path, description, difference, len(_TRIALS))


def describe(run: Run) -> Description:
    """What the exported model of a run states about itself.

    Raises:
        ConfigError: If the width of a stream is not known.
    """
    model = run.model
    streams = sorted({stream for branch in branches_of(model) for stream in branch.streams})
    folder = RunFolder.containing(run.path)
    return Description(
        class_names=tuple(model.class_names),
        streams=_widths(run, streams),
        sources=model.sources,
        localizer=asdict(model.localizer),
        views=tuple(asdict(view) for view in model.views),
        floors=model.floors,
        lag=model.lag,
        texts=text_tower(run.hyperparameters),
        making=learned_settings(run),
        digest=_digest(folder),
        note=model.note,
    )


def _widths(run: Run, streams: list[str]) -> dict[str, int]:
    known: dict[str, int] = dict(known_widths(run.model))
    if not known.keys() >= set(streams):
        try:
            known |= {name: width for name, width in run.data.dims.items() if name not in known}
        except WTALError as error:
            lacking = next(name for name in streams if name not in known)
            raise ConfigError(
                f"The number of channels of the stream {lacking!r} is not known, as the data of {run.path} are not "
                f"here: export it where they are ({error})"
            ) from error
    return {name: known[name] for name in streams}


def _digest(folder: RunFolder | None) -> str:
    if folder is None or not folder.identity.is_file():
        return ""
    content = read_json(folder.identity, CheckpointError)
    return str(content.get("digest", "")) if isinstance(content, dict) else ""


@torch.no_grad()
def _difference(run: Run, scorer: Scorer, streams: Mapping[str, int]) -> float:
    """The largest difference of a score of a real snippet, or of a video, from the model's own."""
    largest, known = 0.0, known_statistics(run.model, streams)
    for seed, lengths in enumerate(_TRIALS):
        features, mask = made_up(streams, lengths, seed)
        empty, seen = mask.new_zeros(0), dict(zip(streams, features, strict=True))
        # as those of the training: others would be enlarged by channels that hardly vary there
        seen |= {name: mean + std * seen[name] for name, (mean, std) in known.items()}
        batch = SnippetBatch(seen, mask, empty, empty, empty)
        found = scorer.scores({name: part.numpy() for name, part in batch.streams.items()}, mask.numpy())
        for source, scores in run.model.all_scores(batch).items():
            gaps = [(a - torch.from_numpy(b)).abs() for a, b in zip(scores, found[source], strict=True)]
            worst = torch.cat([gaps[0][mask].flatten(), gaps[1][mask], gaps[2].flatten()]).nan_to_num(torch.inf).max()
            largest = max(largest, float(worst))
    return largest


# Formats ------------------------------------------------------------------------------------------------------------


def _example(network: ScoringNetwork, description: Description) -> tuple[tuple[tuple[Tensor, ...], Tensor], Any]:
    """Inputs to trace, and which of their axes may have any size."""
    inputs = made_up(description.streams, _EXAMPLE)
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return inputs, (tuple(axes for _ in network.streams), axes)


def _write_onnx(network: ScoringNetwork, description: Description, path: Path) -> None:
    with from_extra("onnx"):
        import onnxruntime  # noqa: F401  runs the model, right afterwards
        import onnxscript  # noqa: F401  torch's exporter needs it
    inputs, axes = _example(network, description)
    names = [f"features.{name}" for name in description.streams]
    export = partial(
        torch.onnx.export,
        network,
        inputs,
        dynamo=True,
        dynamic_shapes=axes,
        input_names=[*names, "mask"],
        output_names=list(description.outputs),
    )
    try:
        program = export()
    except Exception:  # the optimizer of onnxscript 0.7 fails on some graphs, such as that of BaS-Net
        program = export(optimize=False)
    assert program is not None
    program.model.metadata_props[DESCRIPTION] = description.to_json()
    with drafted(path) as draft:
        program.save(draft, external_data=False)


def _write_torch(network: ScoringNetwork, description: Description, path: Path) -> None:
    inputs, axes = _example(network, description)
    program = torch.export.export(network, inputs, dynamic_shapes=axes)
    torch.export.save(program, path, extra_files={DESCRIPTION: description.to_json()})


def _write_openvino(network: ScoringNetwork, description: Description, path: Path) -> None:
    with from_extra("openvino"):
        import openvino
    whole = path.with_suffix(".onnx")
    _write_onnx(network, description, whole)
    openvino.save_model(openvino.convert_model(whole), path, compress_to_fp16=False)
    whole.unlink()
    write_text(path.with_suffix(".json"), description.to_json())


_WRITERS = {"onnx": _write_onnx, "torch_export": _write_torch, "openvino": _write_openvino}


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters' reports of their progress."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield
