"""Every kind of file that users supply: a small valid example, and how it is read."""

import contextlib
import io
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import h5py
import numpy as np
import torch
from fuzz.mutations import DIGITS

from wtal.branches import CBPBranch
from wtal.collaboration import CollaborationModule
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.commands.table import run as table
from wtal.data.annotations import read_annotations, with_ambiguous, with_subsets
from wtal.data.features import FeatureSource, open_features
from wtal.data.store import StoreWriter
from wtal.errors import ConfigError
from wtal.metrics.rule_sets import RULE_SETS
from wtal.metrics.rule_sets import evaluate as score_of
from wtal.nn.heads import AttentionMILHead
from wtal.nn.text.prompts import FileText
from wtal.report.page.build import render
from wtal.report.page.material import gather
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import as_detections, read_predictions
from wtal.results.scores import (
    VideoGrids,
    read_pseudo_labels,
    read_scores,
)
from wtal.sweep.definition import read_sweep
from wtal.training.checkpoint import load
from wtal.types import TimeGrid, Video

Dump = Callable[[Path, Any], object]
VIDEOS, CLASSES = ("video_a", "video_b", "v_c"), ("run", "high jump")


@dataclass(frozen=True)
class Kind:
    """Files of one form.

    Args:
        files: Content of each file and the function that writes it, by path in a folder.
        read: Reads them as the program does, from the path that a user gives.
        given: The path that a user gives, relative to the folder.
        kept: Files that belong to them and are never changed.
        arrays: Whether a value may be an array.
    """

    files: dict[str, tuple[Any, Dump]]
    read: Callable[[Path], object]
    given: str = "."
    kept: dict[str, tuple[Any, Dump]] = field(default_factory=dict)
    arrays: bool = False

    def write(self, folder: Path) -> Path:
        """Write valid files."""
        for name, (content, dump) in {**self.files, **self.kept}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            dump(path, content)
        return folder / self.given


# Writing ------------------------------------------------------------------------------------------------------------


def as_json(path: Path, content: Any) -> None:
    text = json.dumps(content, default=str).replace(f'"{DIGITS}"', "9" * 10_000)
    path.write_text(text, encoding="utf-8")


def as_csv(path: Path, rows: Any, separator: str = ",") -> None:
    lines = rows if isinstance(rows, list) else [[rows]]
    cells = [[str(cell) for cell in line] if isinstance(line, list) else [str(line)] for line in lines]
    text = "\n".join(separator.join(line) for line in cells) + "\n"
    path.write_text(text.replace(DIGITS, "9" * 10_000), encoding="utf-8", errors="replace")


def as_npy(path: Path, content: Any) -> None:
    if not isinstance(content, np.ndarray):
        array = np.empty((), object)
        array[()] = content
        content = array
    np.save(path, content, allow_pickle=True)


def as_npz(path: Path, content: Any) -> None:
    arrays = content if isinstance(content, dict) else {"features": content}
    with path.open("wb") as file:
        np.savez(
            file, **{f"k{i}" if not str(k).isprintable() else str(k): v for i, (k, v) in enumerate(arrays.items())}
        )


def as_h5(path: Path, content: Any) -> None:
    def put(group: h5py.Group, tree: Any) -> None:
        for name, value in tree.items() if isinstance(tree, dict) else (("features", tree),):
            name = str(name).replace("\0", "").encode("utf-8", "replace").decode() or "empty"
            with contextlib.suppress(TypeError, ValueError, OverflowError, OSError, RuntimeError, AttributeError):
                if isinstance(value, dict):
                    put(group.create_group(name), value)
                else:
                    group[name] = value

    with h5py.File(path, "w") as file:
        put(file, content)


def as_pickle(path: Path, content: Any) -> None:
    path.write_bytes(pickle.dumps(content, protocol=hash(str(content)[:50]) % 5))


def as_torch(path: Path, content: Any) -> None:
    torch.save(content, path)


def as_text(path: Path, content: Any) -> None:
    path.write_text(str(content), encoding="utf-8", errors="replace")


# Reading ------------------------------------------------------------------------------------------------------------


def annotations(path: Path) -> None:
    content = read_annotations(path)
    assert np.isfinite(content.segments[["start_s", "end_s"]].to_numpy(float)).all()
    for name in content.videos["subset"].unique():
        content.in_subset([name])
    truth = load_truth(path)
    score_of(np.zeros((0, 5)), truth.segments, [0.5], RULE_SETS["activitynet-official"], truth.ambiguous)


def beside_annotations(also: Callable[..., object], path: Path) -> None:
    also(read_annotations(path.parent / "truth.json"), path)


def predictions(path: Path) -> None:
    found = read_predictions(path)
    truth = load_truth(path.parent / "truth.json")
    rows, _ = detection_rows(found, truth)
    score_of(rows, truth.segments, [0.5], RULE_SETS["opentad"], truth.ambiguous)
    as_detections(found, truth.class_names)


def features(path: Path, names: Path | None = None, fps: Path | float = 25.0) -> None:
    source = FeatureSource(path, names=names, fps=fps, store=path.with_name("converted") if names else None)
    store = open_features(source, VIDEOS)
    for name in store:
        rows = store[name]
        assert rows.shape == (store.length(name), store.dim)
        assert np.isfinite(np.asarray(rows, np.float32)).all()
        assert np.isfinite(store.grid(name).edge_s(len(rows)))


def texts(path: Path) -> None:
    assert FileText(CLASSES, path)().shape[0] == len(CLASSES)


def checkpoint(path: Path) -> None:
    with mock.patch(
        "wtal.nn.text.prompts.open_text_tower", side_effect=ConfigError("the weights are on another machine")
    ):
        run = load(path)
    run.prompts()
    for labels in run.pseudo_labels.values():
        for video in labels.values():
            assert video.label.shape == video.class_index.shape


def training_data(path: Path) -> None:
    data = load(path).data
    data.setup("test")
    next(iter(data.test_dataloader()))


def page(path: Path) -> None:
    material = gather([path])
    render(material, material.about.tious or (0.5,), "page", {})


def paper_table(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        for ending in ("md", "tex", "csv"):
            table([path], output=path / f"table.{ending}")
            table([path], checkpoint="selected")


def sweep(path: Path) -> None:
    definition = read_sweep(path)
    for assignment in definition.grid()[:3] if definition.method == "grid" else ():
        definition.words(assignment)
        definition.run_name(assignment)


def from_wandb(path: Path) -> None:
    """The runs of a project as the server of wandb returns them."""

    def runs(_: str) -> list[SimpleNamespace]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            content = []
        usual = {"name": "", "summary": {}, "config": {}, "commit": None}
        content = content if isinstance(content, list) else [content]
        return [SimpleNamespace(**{**usual, **one}) for one in content if isinstance(one, dict)]

    api = SimpleNamespace(Api=lambda: SimpleNamespace(runs=runs, sweep=lambda name: SimpleNamespace(runs=runs(name))))
    with mock.patch.dict("sys.modules", wandb=api), contextlib.redirect_stdout(io.StringIO()):
        table([path.parent / "runs"], wandb="me/project")


# Valid content ------------------------------------------------------------------------------------------------------


def _instances(*spans: Sequence[float], label: str = "run") -> list[dict[str, Any]]:
    return [{"segment": list(span), "label": label} for span in spans]


_DATABASE: dict[str, Any] = {
    "version": "1.3",
    "database": {
        "video_a": {"subset": "test", "duration": 20.0, "annotations": _instances((1.0, 4.5), (9, 12.0))},
        "video_b": {"subset": "test", "duration": 30, "annotations": _instances(("1.5", "3"), label="high jump")},
        "v_c": {"subset": "train", "duration": 7.5, "annotations": []},
    },
}
_TRUTH = {"truth.json": (_DATABASE, as_json)}
_FOUND = {
    "version": "VERSION 1.3",
    "results": {
        "video_a": [
            {"label": "run", "score": 0.75, "segment": [1.0, 5.0]},
            {"label": "run", "score": 0.5, "segment": [8, 9]},
        ],
        "video_b": [{"label": "high jump", "score": 1, "segment": [2.0, 2.5]}],
    },
}


def _objects(*items: Any) -> np.ndarray:
    array = np.empty(len(items), object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def _bytes(*texts: str) -> np.ndarray:
    return np.array([text.encode() for text in texts])


_WTALC = {
    "videoname.npy": _bytes(*VIDEOS),
    "subset.npy": _bytes("test", "test", "validation"),
    "classlist.npy": _bytes(*CLASSES),
    "labels_all.npy": _objects(["run"], [b"high jump", b"run"], [b"run"]),
    "labels.npy": _objects(["run"], [b"high jump"], []),
    "segments.npy": _objects([[1.0, 2.5]], [[0, 4]], []),
    "duration.npy": np.array([[20.0], [30.0], [7.5]]),
    "url.npy": _bytes("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch?v=d", "none"),
}
_ROWS = {name: np.arange(4.0 * (i + 3), dtype=np.float32).reshape(-1, 4) / 7 for i, name in enumerate(VIDEOS)}
_CSV_ROWS = [["f0", "f1", "f2", "f3"], *([f"{x:.3f}" for x in row] for row in _ROWS["video_a"])]


def _store(path: Path, rows: dict[str, np.ndarray]) -> None:
    with StoreWriter(path.parent, TimeGrid(25, 16, 16)) as writer:
        for name, array in rows.items():
            writer.add(name, array, fps=30.0 if name == "v_c" else None)


def _manifest() -> dict[str, Any]:
    return {
        "version": 1,
        "grid": {"fps": 25.0, "stride": 16.0, "window": 16.0, "offset_s": 0.0},
        "dim": 4,
        "dtype": "float32",
        "videos": {name: len(rows) for name, rows in _ROWS.items()},
        "fps": dict.fromkeys(_ROWS, 25.0),
        "origin": {},
        "crop": "center",
        "notes": "",
    }


_HEAD = {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"in_dim": 4, "hidden": 4}}
_TEXT = {"class_path": "wtal.nn.text.FileText", "init_args": {"path": "gone.npy", "residual": 0.5, "dim": 4}}
_TEXT_HEAD = {
    "class_path": "wtal.nn.heads.TextHead",
    "init_args": {"text": _TEXT, "dim": 4, "width": 8, "heads": 2, "depth": 1},
}


def _alone() -> dict[str, Any]:
    torch.manual_seed(0)
    model = CBPBranch(CLASSES, partial(AttentionMILHead, in_dim=4, hidden=4))
    settings = {"_class_path": "wtal.branches.CBPBranch", "head": _HEAD, "average": 0.99, "localizer": {"sigma": 0.2}}
    return {
        "state_dict": dict(model.state_dict()),
        "class_names": list(CLASSES),
        "hyper_parameters": settings,
        "epoch": 3,
        "global_step": 9,
        "pytorch-lightning_version": "2.5.0",
        "loops": {},
    }


def _pair() -> dict[str, Any]:
    branches = {
        "cbp": {"class_path": "wtal.branches.CBPBranch", "init_args": {"head": _HEAD}},
        "vlp": {"class_path": "wtal.branches.VLPBranch", "init_args": {"head": _TEXT_HEAD}},
    }
    text = partial(FileText, path=None, dim=4)
    from wtal.branches import VLPBranch
    from wtal.nn.heads import TextHead

    model = CollaborationModule(
        CLASSES,
        partial(CBPBranch, head=partial(AttentionMILHead, in_dim=4, hidden=4)),
        partial(VLPBranch, head=partial(TextHead, text=text, dim=4, width=8, heads=2)),
    )
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    buffers = {student: PseudoLabelBuffer([3, 4]).state_dict() for student in ("cbp", "vlp")}
    settings = {"_class_path": "wtal.collaboration.CollaborationModule", **branches, "schedule": {"pattern": "BF"}}
    loops = {"fit_loop": {"state_dict": {"pseudo_labels": buffers}}}
    return {**_alone(), "state_dict": weights, "hyper_parameters": settings, "loops": loops}


def _config() -> dict[str, Any]:
    options = {"annotations": "truth.json", "i3d": {"path": "i3d", "fps": 25.0}, "missing": "skip", "name": "own"}
    return {
        "seed_everything": 0,
        "data": {"class_path": "wtal.data.CustomDataModule", "init_args": options},
        "trainer": {"max_epochs": 3},
    }


_GRIDS = VideoGrids.of([Video(name, 4 + i, TimeGrid(), 20.0 + i) for i, name in enumerate(VIDEOS[:2])])


def _head(grids: VideoGrids) -> dict[str, Any]:
    text = {"video_ids": list(grids.video_ids), "class_names": list(CLASSES)}
    times = {name: np.asarray(getattr(grids, name), float) for name in ("first_s", "step_s", "duration_s")}
    return {
        **{name: np.frombuffer(json.dumps(names).encode(), np.uint8) for name, names in text.items()},
        "lengths": np.asarray(grids.lengths),
        **times,
    }


_SCORES = {
    **_head(_GRIDS),
    "probability": np.full((9, 2), 0.5, np.float16),
    "actionness": np.linspace(0, 1, 9).astype(np.float16),
    "video": np.full((2, 2), 0.5, np.float16),
}
_LABELS = {
    **_head(_GRIDS),
    "label_cbp": np.array([1, 0, -1, 1, 0, 0, 1, -1, 0], np.int8),
    "class_index_cbp": np.array([1, -1, -1, 0, -1, -1, 0, -1, -1], np.int16),
}
_ABOUT = {"features": "made up", "benchmark": "toy", "tious": [0.3, 0.5], "weights": "", "checkpoint": "last.ckpt"}
_METRICS = [
    ["epoch", "step", "train/cbp/loss", "train/vlp/loss", "pseudo_labels/cbp/foreground", "pseudo_labels/agreement"],
    ["0", "1", "3.5", "2.5", "", ""],
    ["1", "3", "2.5", "", "0.25", "0.5"],
]
_RUN: dict[str, tuple[Any, Dump]] = {
    "predictions/cbp.json": (_FOUND, as_json),
    "predictions/ground_truth.json": (
        {"database": {k: v for k, v in _DATABASE["database"].items() if k != "v_c"}},
        as_json,
    ),
    "scores/cbp.npz": (_SCORES, as_npz),
    "pseudo_labels.npz": (_LABELS, as_npz),
    "about.json": (_ABOUT, as_json),
    "metrics.csv": (_METRICS, as_csv),
    "config.yaml": ({"ckpt_path": None, "model": {"init_args": {"schedule": {"exchange": True}}}}, as_json),
}


def _record(seed: int) -> dict[str, Any]:
    measured = {"test/fused/mAP@0.5": 0.25 + seed / 10, "test/fused/mAP": 0.5, "test/cbp/mAP": 0.125}
    settings = {"seed_everything": seed, "model": {"init_args": {"lr": 0.5 + seed}}, "trainer": {"max_epochs": 3}}
    return {
        "config": settings,
        "seed": seed,
        "model": "CBPBranch",
        "features": "made up",
        "benchmark": "thumos14-212",
        "weights": "",
        "metrics": measured,
        "selected": measured,
        "seconds": 5.0,
        "memory_mib": 100.0,
        "git": "abc+",
        "versions": {"torch": "2"},
    }


_COMPARISON = [
    ["method", "seed", "mAP@0.5", "mAP_avg", "false_positive_rate", "false_negative_rate", "train_seconds", "features",
     "benchmark", "weights"],
    ["cbp", "0", "0.5", "0.25", "0.5", "0.5", "3.5", "made up", "toy", ""],
    ["alternation", "0", "0.75", "0.5", "0.25", "0.5", "4", "made up", "toy", ""],
]  # fmt: skip
_SWEEP = {
    "program": "wtal",
    "method": "grid",
    "metric": {"name": "test/mAP", "goal": "maximize"},
    "run_cap": 5,
    "parameters": {
        "seed_everything": {"values": [0, 1]},
        "model": {"parameters": {"lr": {"value": 0.5}, "low": {"values": [0.5, "a"]}}},
    },
    "command": ["${interpreter}", "-m", "wtal", "fit", "${args}"],
}
_WANDB = [
    {
        "name": "sunny-1",
        "summary": {"test/fused/mAP": 0.5, "test/fused/mAP@0.5": 0.25, "loss": 3},
        "config": {"cli": {"seed_everything": 1, "data": {"class_path": "wtal.data.CustomDataModule"}}},
        "commit": "abc",
    },
    {"name": "rainy-2", "summary": {}, "config": {}, "commit": None},
]

_TABLE = [
    ["video", "start", "end", "label", "subset", "duration"],
    ["video_a", "1.0", "2.5", "run", "test", "20"],
    ["video_a", "3", "4", "high jump", "test", "20"],
    ["video_b", "", "", "run", "train", ""],
]
_FOUND_TABLE = [
    ["video_id", "label", "start_s", "end_s", "score"],
    ["video_a", "run", "1.0", "2.5", "0.5"],
    ["video_b", "high jump", "3", "4", "0.25"],
]
_AVAILABLE = {"i3d/video_a.npy": (_ROWS["video_a"], as_npy), "i3d/video_b.npy": (_ROWS["video_b"], as_npy)}

KINDS: dict[str, Kind] = {
    "annotations.json": Kind({"truth.json": (_DATABASE, as_json)}, annotations, "truth.json"),
    "annotations of W-TALC": Kind({n: (a, as_npy) for n, a in _WTALC.items()}, annotations, arrays=True),
    "annotations of THUMOS14": Kind(
        {
            "run_val.txt": ([["video_a", "1.5 3.5"], ["video_b", "2", "3"]], partial(as_csv, separator=" ")),
            "Ambiguous_val.txt": ([["video_a", "7", "8"]], partial(as_csv, separator="  ")),
        },
        annotations,
    ),
    "annotations.csv": Kind({"truth.csv": (_TABLE, as_csv)}, annotations, "truth.csv"),
    "annotations.tsv": Kind({"truth.tsv": (_TABLE, partial(as_csv, separator="\t"))}, annotations, "truth.tsv"),
    "subsets.csv": Kind(
        {"subsets.csv": ([["video", "subset"], ["video_a", "train"], ["v_c", "test"]], as_csv)},
        partial(beside_annotations, with_subsets),
        "subsets.csv",
        _TRUTH,
    ),
    "ambiguous.txt": Kind(
        {"ambiguous.txt": ([["video_a", "7", "8"]], partial(as_csv, separator=" "))},
        partial(beside_annotations, with_ambiguous),
        "ambiguous.txt",
        _TRUTH,
    ),
    "predictions.json": Kind({"found.json": (_FOUND, as_json)}, predictions, "found.json", _TRUTH),
    "predictions.csv": Kind({"found.csv": (_FOUND_TABLE, as_csv)}, predictions, "found.csv", _TRUTH),
    "features.npy": Kind({"f/video_a.npy": (_ROWS["video_a"], as_npy)}, features, "f", arrays=True),
    "features.npz": Kind(
        {"f/video_a.npz": ({"features": _ROWS["video_a"], "fps": np.array(25)}, as_npz)}, features, "f", arrays=True
    ),
    "features.h5": Kind(
        {"f.h5": ({"video_a": _ROWS["video_a"], "video_b": {"features": _ROWS["video_b"], "fps": 25.0}}, as_h5)},
        features,
        "f.h5",
        arrays=True,
    ),
    "features.pt": Kind(
        {"f/video_a.pt": ({"features": torch.from_numpy(_ROWS["video_a"]), "fps": 25, "list": [1.0, 2.0]}, as_torch)},
        features,
        "f",
        arrays=True,
    ),
    "features.pkl": Kind(
        {
            "f/video_a.pkl": ({"features": _ROWS["video_a"]}, as_pickle),
            "f/video_b.pkl": ([[0.5, 1.0, 2, 3.0], [1.0, 2.0, 3.0, 4.0]], as_pickle),
        },
        features,
        "f",
        arrays=True,
    ),
    "features.csv": Kind({"f/video_a.csv": (_CSV_ROWS, as_csv)}, features, "f"),
    "features of W-TALC": Kind(
        {"Set-I3D-JOINTFeatures.npy": (_objects(*_ROWS.values()), as_npy), "videoname.npy": (_bytes(*VIDEOS), as_npy)},
        lambda path: features(path, path.with_name("videoname.npy")),
        "Set-I3D-JOINTFeatures.npy",
        arrays=True,
    ),
    "feature store": Kind(
        {"store/manifest.json": (_manifest(), as_json), "store/video_a.npy": (_ROWS["video_a"], as_npy)},
        features,
        "store",
        {f"store/{n}.npy": (_ROWS[n], as_npy) for n in VIDEOS[1:]},
    ),
    "frame rates": Kind(
        {"fps.json": ({"database": {n: {"fps": 25.0} for n in VIDEOS}}, as_json)},
        lambda path: features(path.parent / "i3d", fps=path),
        "fps.json",
        _AVAILABLE,
    ),
    "frame rates.csv": Kind(
        {"fps.csv": ([["video", "fps"], *([n, "25"] for n in VIDEOS)], as_csv)},
        lambda path: features(path.parent / "i3d", fps=path),
        "fps.csv",
        _AVAILABLE,
    ),
    "texts": Kind(
        {"text.npy": (_ROWS["video_a"][:2], as_npy), "classes.txt": ("run\nhigh_jump\n", as_text)},
        texts,
        "text.npy",
        arrays=True,
    ),
    "checkpoint": Kind({"last.ckpt": (_alone(), as_torch)}, checkpoint, "last.ckpt", arrays=True),
    "checkpoint of a pair": Kind({"last.ckpt": (_pair(), as_torch)}, checkpoint, "last.ckpt", arrays=True),
    "configuration of a run": Kind(
        {"config.yaml": (_config(), as_json)},
        training_data,
        "last.ckpt",
        {"last.ckpt": (_alone(), as_torch), **_TRUTH, **_AVAILABLE},
    ),
    "scores": Kind({"cbp.npz": (_SCORES, as_npz)}, read_scores, "cbp.npz", arrays=True),
    "pseudo-labels": Kind({"p.npz": (_LABELS, as_npz)}, read_pseudo_labels, "p.npz", arrays=True),
    "run folder": Kind(_RUN, page),
    "records": Kind(
        {
            "0/record.json": (_record(0), as_json),
            "1/record.json": (_record(1), as_json),
            "1/outcome.json": ({"assignment": {"model.lr": 0.5, "seed_everything": 1}, "status": "done"}, as_json),
        },
        paper_table,
    ),
    "comparison": Kind({"comparison.csv": (_COMPARISON, as_csv)}, paper_table),
    "sweep": Kind({"sweep.yaml": (_SWEEP, as_json)}, sweep, "sweep.yaml"),
    "wandb": Kind(
        {"wandb.json": (_WANDB, as_json)}, from_wandb, "wandb.json", {"runs/record.json": (_record(0), as_json)}
    ),
}
