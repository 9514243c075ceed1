"""An exported model as a function of arrays. ONNX and OpenVINO need no torch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtal.deployment.description import Description
from wtal.errors import CheckpointError, FeatureError, brief
from wtal.io.extras import from_extra

__all__ = ["DESCRIPTION", "Scorer"]

DESCRIPTION = "wtal"  # name of the description among a file's metadata
_SUFFIXES = (".onnx", ".pt2", ".xml")

Floats = NDArray[np.float32]


class Scorer:
    """Scores of the snippets of videos by an exported model.

    Attributes:
        path: The file.
        description: What the model states about itself.
    """

    description: Description

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> "Scorer":
        """Open a file of ``wtal export-model``: ``.onnx``, ``.xml`` of OpenVINO, or ``.pt2`` of torch.

        Raises:
            CheckpointError: If it is missing, damaged, or was not exported by wtal.
            MissingPackageError: If the package that runs it is not installed.
        """
        if not path.is_file():
            raise CheckpointError(f"{path} does not exist: give a file of `wtal export-model`.")
        kinds: dict[str, type[Scorer]] = {".onnx": _OnnxScorer, ".xml": _OpenVINOScorer, ".pt2": _TorchScorer}
        if path.suffix not in kinds:
            raise CheckpointError(f"{path} ends in none of {', '.join(_SUFFIXES)}: give a file of `wtal export-model`.")
        return kinds[path.suffix](path)

    def scores(self, features: Mapping[str, Floats], mask: NDArray[np.bool_]) -> dict[str, tuple[Floats, ...]]:
        """Score snippets.

        Args:
            features: Features of each stream, ``(B, T, D)``; streams that the model does not read are ignored.
            mask: True on real snippets, ``(B, T)``.

        Returns:
            For each source: probability ``(B, T, C)``, actionness ``(B, T)`` and video probability ``(B, C)``.

        Raises:
            FeatureError: If a stream is missing or has another shape.
        """
        inputs = []
        for name, width in self.description.streams.items():
            if name not in features:
                raise FeatureError(f"{self.path} reads the stream {name!r}, but there are {', '.join(features)}.")
            if features[name].shape != (*mask.shape, width):
                raise FeatureError(
                    f"{self.path} reads {width} channels of {name!r} for each of {mask.shape[1]} snippets, but the "
                    f"features have the shape {features[name].shape}."
                )
            inputs.append(np.ascontiguousarray(features[name], np.float32))
        outputs = self._answer([*inputs, np.ascontiguousarray(mask, np.bool_)])
        return {s: tuple(outputs[3 * n : 3 * n + 3]) for n, s in enumerate(self.description.sources)}

    def _answer(self, inputs: Sequence[NDArray[Any]]) -> list[Floats]:
        """The outputs for the streams and the mask, in their order."""
        raise NotImplementedError  # of each format

    def _described(self, text: str | None) -> Description:
        return Description.from_json(text or "{}", str(self.path))


class _OnnxScorer(Scorer):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with from_extra("onnx"):
            import onnxruntime
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
        except Exception as error:  # the runtime's errors have no common base
            raise CheckpointError(f"{path} is no ONNX model, or a damaged one ({str(error)[:100]}).") from error
        self.description = self._described(self._session.get_modelmeta().custom_metadata_map.get(DESCRIPTION))
        self._names = [one.name for one in self._session.get_inputs()]
        if len(self._names) != len(self.description.streams) + 1:
            raise CheckpointError(f"{path} reads {brief(self._names)}, which its description contradicts.")

    def _answer(self, inputs: Sequence[NDArray[Any]]) -> list[Floats]:
        return list(self._session.run(list(self.description.outputs), dict(zip(self._names, inputs, strict=True))))


class _OpenVINOScorer(Scorer):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with from_extra("openvino"):
            import openvino
        try:
            model = openvino.Core().read_model(path)
            self._compiled = openvino.compile_model(model, "CPU")
        except Exception as error:
            raise CheckpointError(f"{path} is no OpenVINO model, or a damaged one ({str(error)[:100]}).") from error
        beside = path.with_suffix(".json")
        self.description = self._described(beside.read_text(encoding="utf-8") if beside.is_file() else None)

    def _answer(self, inputs: Sequence[NDArray[Any]]) -> list[Floats]:
        outputs = self._compiled(list(inputs))
        return [np.asarray(outputs[n]) for n in range(len(self.description.outputs))]


class _TorchScorer(Scorer):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import torch

        extra = {DESCRIPTION: ""}
        try:
            self._program = torch.export.load(path, extra_files=extra).module()
        except Exception as error:
            raise CheckpointError(
                f"{path} is no program of torch.export, or a damaged one ({str(error)[:100]})."
            ) from error
        text: str | bytes = extra[DESCRIPTION]
        self.description = self._described(text.decode() if isinstance(text, bytes) else text or json.dumps({}))

    def _answer(self, inputs: Sequence[NDArray[Any]]) -> list[Floats]:
        import torch

        *streams, mask = (torch.from_numpy(part) for part in inputs)
        with torch.no_grad():
            return [part.numpy() for part in self._program(tuple(streams), mask)]
