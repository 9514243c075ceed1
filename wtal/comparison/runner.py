"""``wtal compare``: every method of the paper's argument, trained and tested alike, in one table."""

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.branches import VLPBranch
from wtal.collaboration import CollaborationModule
from wtal.errors import ConfigError
from wtal.io.files import write_text
from wtal.results.comparison import print_comparison, save_comparison
from wtal.training.cli import WTALCLI
from wtal.views import CBP, FUSED, VLP

__all__ = ["Method", "compare"]

Method = Literal[
    "cbp_warm_up",
    "cbp",
    "vlp_vanilla",
    "vlp",
    "late_fusion_warm_up",
    "late_fusion",
    "b_only",
    "f_only",
    "joint",
    "alternation",
]


@dataclass(frozen=True)
class _Run:
    """One training (or none), and which of its sources answers for which method.

    Args:
        name: Of its folder.
        pattern: Of the schedule after the warm-up; None for the configuration's own, empty to train nothing.
        answers: Method to source.
        goes_on: Whether it trains after the warm-up, each branch as long as in an alternation.
        overlay: A file to put over the configuration.
    """

    name: str
    pattern: str | None
    answers: Mapping[str, str]
    goes_on: bool = True
    overlay: Path | None = None


_RUNS = (
    _Run("vanilla", "", {"vlp_vanilla": VLP.name}),
    _Run("warm_up", "W", {"cbp_warm_up": CBP.name, "late_fusion_warm_up": FUSED.name}, goes_on=False),
    _Run("apart", "W", {"cbp": CBP.name, "vlp": VLP.name, "late_fusion": FUSED.name}),
    _Run("b_only", "B", {"b_only": FUSED.name}),
    _Run("f_only", "F", {"f_only": FUSED.name}),
    _Run("joint", "J", {"joint": FUSED.name}),
    _Run("alternation", None, {"alternation": FUSED.name}),
)


class _WarmUp(Callback):
    """The warm-up that all runs of a seed share: written by the first, gone on from by the others.

    Args:
        folder: Of the seed.
        config: The configuration; one that differs in what the warm-up sees has another warm-up.
        epochs: Its length.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], epochs: int) -> None:
        digest = hashlib.sha256(_before_distillation(config).encode()).hexdigest()[:8]
        self.checkpoint, self.epochs = folder / f"warm_up-{digest}.ckpt", epochs

    @property
    def exists(self) -> bool:
        return self.checkpoint.is_file()

    @property
    def seconds(self) -> float:
        """What it took."""
        return float(self.checkpoint.with_suffix(".seconds").read_text())

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 == self.epochs and not self.exists:
            self.checkpoint.with_suffix(".seconds").write_text(str(time.monotonic() - self.began))
            trainer.save_checkpoint(self.checkpoint)


_AFTER = {  # the settings that a warm-up does not see, by the object that has them
    "trainer": ("max_epochs", "default_root_dir"),
    "model.init_args": ("cbp_thresholds", "vlp_thresholds", "fusion", "localizer"),
    "model.init_args.schedule": ("pattern", "period", "exchange", "from_cbp", "from_vlp", "agree"),
    "model.init_args.cbp.init_args": ("distillation", "localizer"),
    "model.init_args.vlp.init_args": ("distillation", "localizer"),
}


def _before_distillation(config: Mapping[str, Any]) -> str:
    """What of a configuration decides the warm-up."""
    said = copy.deepcopy({key: value for key, value in config.items() if key != "config"})
    for place, names in _AFTER.items():
        part: Any = said
        for key in place.split("."):
            part = part.get(key) if isinstance(part, dict) else None
        for name in names if isinstance(part, dict) else ():
            part.pop(name, None)
    return json.dumps(said, sort_keys=True, default=str)


def compare(
    config: Sequence[Path],
    output: Path = Path("runs/compare"),
    seeds: Sequence[int] = (0,),
    methods: Sequence[Method] = get_args(Method),
    ablations: Sequence[Path] = (),
) -> None:
    """Train and test all methods and end with their table.

    The methods are: each branch alone (``cbp``, ``vlp``), VLP without training (``vlp_vanilla``), both branches
    trained apart and fused (``late_fusion``), both of these after the warm-up alone, as long training makes CBP less
    complete (``cbp_warm_up``, ``late_fusion_warm_up``), distillation in one direction (``b_only``, ``f_only``), in
    both at once (``joint``), and in turn (``alternation``). An ablation is another configuration of the last. All of a
    seed that do not differ before it share one warm-up, which is what they would compute anyway, bit for bit; after it
    each branch trains for as many epochs in every method that trains it. Results are those of the last epoch on the
    test videos. What is finished is not repeated: call it again after an interruption.

    Args:
        config: Configuration of a collaboration, as for ``wtal fit``; a second one overrides the first.
        output: Folder for the runs, ``comparison.csv`` (a row a method and seed) and ``comparison.md``.
        seeds: Of weights, order and crops; each makes a row of every method.
        methods: Which ones.
        ablations: Files to put over the configuration, one a run, such as those of `configs/ablations`; each makes a
            row of its name.

    Raises:
        ConfigError: If an ablation has the name of a method or of another one.
    """
    names = [path.stem for path in ablations]
    for path in ablations:
        if path.stem in get_args(Method):
            raise ConfigError(f"{path}: {path.stem} is a method: name it under `methods`, or rename the file.")
        if names.count(path.stem) > 1:
            raise ConfigError(f"{path}: two ablations are called {path.stem}, and each needs a row of its own.")
    records, wanted = [], [*methods, *names]
    changed = [_Run(path.stem, None, {path.stem: FUSED.name}, overlay=path) for path in ablations]
    for seed in seeds:
        folder = output / f"seed_{seed}"
        for run in [*_RUNS, *changed]:
            if set(run.answers) & set(wanted):
                records += _rows(run, _record(run, config, folder, seed), seed)
    table = pd.DataFrame([row for row in records if row["method"] in wanted])
    order = {method: place for place, method in enumerate([*get_args(Method), *names])}
    table = table.sort_values(["method", "seed"], key=lambda column: column.map(order).fillna(column)).reset_index(
        drop=True
    )
    save_comparison(table, output)
    print_comparison(table)


def _record(run: _Run, config: Sequence[Path], folder: Path, seed: int) -> dict[str, Any]:
    """Results of a run: those on disk if the configuration is still the same, else by doing it."""
    config = [*config, run.overlay] if run.overlay else config
    said = [path.read_text() for path in config]
    path = folder / run.name / "record.json"
    if path.is_file():
        record: dict[str, Any] = json.loads(path.read_text())
        if record["config"] == said:
            return record
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"config": said, **_train_and_test(run, config, folder, seed)}
    write_text(path, json.dumps(record, indent=1))
    return record


def _train_and_test(run: _Run, config: Sequence[Path], folder: Path, seed: int) -> dict[str, Any]:
    arguments = [f"--config={path}" for path in config]
    arguments += [f"--seed_everything={seed}", f"--trainer.default_root_dir={folder / run.name}"]
    if run.pattern:
        arguments.append(f"--model.init_args.schedule.pattern={run.pattern}")
    cli = WTALCLI(arguments, run=False)
    model, trainer = cli.model, cli.trainer
    if not isinstance(model, CollaborationModule):
        raise ConfigError(
            f"{config[0]}: `model` must be a CollaborationModule to be compared, not {type(model).__name__}."
        )
    if model.sources[:2] != (CBP.name, VLP.name):
        raise ConfigError(
            f"{config[0]}: `wtal compare` names its methods after {CBP.name} and {VLP.name}, but the branches are "
            f"called {' and '.join(model.sources[:2])}: compare them under these names, or by `wtal sweep`."
        )
    if run.pattern != "":
        seconds = _fit(run, cli, _WarmUp(folder, cli.config.as_dict(), model.schedule.warm_up), model.schedule.pattern)
    else:
        assert isinstance(model.vlp, VLPBranch)
        seconds, model.vlp = 0.0, model.vlp.vanilla()
    (metrics,) = trainer.test(model, cli.datamodule, verbose=False)
    return {
        "metrics": metrics,
        "train_seconds": seconds,
        "features": cli.datamodule.features_note,
        "benchmark": cli.datamodule.benchmark.name,
        "weights": model.note,
    }


def _fit(run: _Run, cli: WTALCLI, warm_up: _WarmUp, pattern: str) -> float:
    """Train, from the seed's warm-up if it is there; the seconds that it would have taken from the start."""
    trainer: Trainer = cli.trainer
    shared = warm_up.exists
    if len(set(pattern)) == 1:  # each epoch trains what an alternation trains in every other one
        after = (trainer.max_epochs or 0) - warm_up.epochs
        trainer.fit_loop.max_epochs = warm_up.epochs + (-(-after // 2) if run.goes_on else 0)
    trainer.callbacks.append(warm_up)  # type: ignore[attr-defined]
    start = time.monotonic()
    trainer.fit(cli.model, cli.datamodule, ckpt_path=warm_up.checkpoint if shared else None)
    return time.monotonic() - start + (warm_up.seconds if shared else 0)


def _rows(run: _Run, record: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """One row of the table a method that the run answers for."""
    rows = []
    for method, source in run.answers.items():
        prefix = f"test/{source}/"
        measured = {
            key.removeprefix(prefix): value for key, value in record["metrics"].items() if key.startswith(prefix)
        }
        measured["mAP_avg"] = measured.pop("mAP")
        said = {key: record[key] for key in ("train_seconds", "features", "benchmark", "weights")}
        rows.append({"method": method, "seed": seed, **measured, **said})
    return rows
