"""Every method of the paper's argument, trained and tested in the same way, in one table."""

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.branches import VLPBranch
from wtal.collaboration import CollaborationModule
from wtal.errors import ConfigError
from wtal.results.comparison import Method, save_comparison
from wtal.results.identity import Identity
from wtal.results.record import Record, config_texts_digest, length_of, read_record, write_record
from wtal.results.run_folder import RunFolder, records_below
from wtal.training.cli import WTALCLI
from wtal.training.runs import make_record
from wtal.views import CBP, FUSED, VLP

__all__ = ["compare"]


@dataclass(frozen=True)
class _Run:
    """One training, or none, and the methods that its results stand for.

    Args:
        name: Name of its folder.
        pattern: Pattern of the schedule after the warm-up; None for the configuration's own, empty to train nothing.
        answers: The source whose results stand for a method, by method.
        continues: Whether it trains after the warm-up, each branch for as many epochs as in an alternation.
        overlay: A file that is merged over the configuration.
    """

    name: str
    pattern: str | None
    answers: Mapping[str, str]
    continues: bool = True
    overlay: Path | None = None

    @property
    def variant(self) -> str:
        """What the configuration does not say about the run: that its VLP is untrained; otherwise empty."""
        return self.name if self.pattern == "" else ""


_RUNS = (
    _Run("vanilla", "", {"vlp_vanilla": VLP.name}),
    _Run("warm_up", "W", {"cbp_warm_up": CBP.name, "late_fusion_warm_up": FUSED.name}, continues=False),
    _Run("apart", "W", {"cbp": CBP.name, "vlp": VLP.name, "late_fusion": FUSED.name}),
    _Run("b_only", "B", {"b_only": FUSED.name}),
    _Run("f_only", "F", {"f_only": FUSED.name}),
    _Run("joint", "J", {"joint": FUSED.name}),
    _Run("alternation", None, {"alternation": FUSED.name}),
)


class _WarmUp(Callback):
    """The warm-up that all runs of a seed share: the first run writes it, the others continue from it.

    Args:
        folder: Folder of the seed.
        config: The configuration, whose settings that affect the warm-up identify it.
        epochs: Length of the warm-up.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], epochs: int) -> None:
        digest = hashlib.sha256(_before_distillation(config).encode()).hexdigest()[:8]
        self.checkpoint, self.epochs = folder / f"warm_up-{digest}.ckpt", epochs

    @property
    def exists(self) -> bool:
        return self.checkpoint.is_file()

    @property
    def seconds(self) -> float:
        """Duration of the warm-up."""
        return float(self.checkpoint.with_suffix(".seconds").read_text())

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 == self.epochs and not self.exists:
            self.checkpoint.with_suffix(".seconds").write_text(str(time.monotonic() - self.began))
            trainer.save_checkpoint(self.checkpoint)


_AFTER = {  # the settings that do not affect a warm-up, by the object that has them
    "trainer": ("max_epochs", "default_root_dir"),
    "model.init_args": ("cbp_thresholds", "vlp_thresholds", "fusion", "localizer"),
    "model.init_args.schedule": ("pattern", "period", "exchange", "from_cbp", "from_vlp", "agree"),
    "model.init_args.cbp.init_args": ("distillation", "localizer"),
    "model.init_args.vlp.init_args": ("distillation", "localizer"),
}


def _before_distillation(config: Mapping[str, Any]) -> str:
    """The settings that decide the warm-up."""
    settings = copy.deepcopy({key: value for key, value in config.items() if key != "config"})
    for place, names in _AFTER.items():
        part: Any = settings
        for key in place.split("."):
            part = part.get(key) if isinstance(part, dict) else None
        for name in names if isinstance(part, dict) else ():
            part.pop(name, None)
    return json.dumps(settings, sort_keys=True, default=str)


def compare(
    config: Sequence[Path],
    output: Path = Path("runs/compare"),
    seeds: Sequence[int] = (0,),
    methods: Sequence[Method] = get_args(Method),
    ablations: Sequence[Path] = (),
) -> pd.DataFrame:
    """Train and test methods; see ``wtal compare`` for the arguments.

    Returns:
        One row per method and seed, also written to ``comparison.csv`` and ``comparison.md`` of ``output``.

    Raises:
        ConfigError: If an ablation has the name of a method or of another ablation.
    """
    names = [path.stem for path in ablations]
    for path in ablations:
        if path.stem in get_args(Method):
            raise ConfigError(f"{path}: {path.stem} is a method: name it in `--methods`, or rename the file.")
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
    return table


class _Settings(WTALCLI):
    """Parses the settings of a run without making anything from them."""

    def instantiate_classes(self) -> None:
        """Make nothing."""


def _record(run: _Run, config: Sequence[Path], folder: Path, seed: int) -> Record:
    """Results of a run: those on disk if they have the same identity and length, else those of a new training."""
    config = [*config, run.overlay] if run.overlay else config
    arguments = [f"--config={path}" for path in config]
    arguments += [f"--seed_everything={seed}", f"--trainer.default_root_dir={folder / run.name}"]
    if run.pattern:
        arguments.append(f"--model.init_args.schedule.pattern={run.pattern}")
    settings = _Settings(arguments, run=False).settings
    _refuse_part(settings, config[0])
    settings["trainer"]["max_epochs"] = epochs = _epochs(run, settings, config[0])
    arguments.append(f"--trainer.max_epochs={epochs}")
    before_0_2 = config_texts_digest([path.read_text() for path in config])
    for path in reversed(records_below(folder / run.name)):
        record = read_record(path)
        if record is None:
            continue
        identity = Identity.of(settings, record.processes, run.variant)
        same = record.identity == identity.digest and record.length == length_of(settings)
        if same or record.identity == before_0_2:
            return record
    return _train_and_test(run, arguments, folder)


def _refuse_part(settings: Mapping[str, Any], path: Path) -> None:
    """Refuse to compare methods on some of the test videos.

    Raises:
        ConfigError: If the settings limit the test.
    """
    limit = settings["trainer"]["limit_test_batches"]
    if settings["trainer"]["fast_dev_run"] or not (limit is None or (isinstance(limit, float) and limit == 1)):
        raise ConfigError(
            f"{path}: a comparison measures all test videos; remove `trainer.limit_test_batches` and "
            "`trainer.fast_dev_run`."
        )


def _epochs(run: _Run, settings: Mapping[str, Any], path: Path) -> int:
    """Number of epochs of a run."""
    model = settings["model"]
    schedule = model["init_args"].get("schedule")
    if not isinstance(schedule, dict):
        name = model["class_path"].rpartition(".")[2]
        raise ConfigError(f"{path}: `model` must be a CollaborationModule to be compared, not {name}.")
    if run.pattern == "":
        return 0
    epochs, pattern = int(settings["trainer"]["max_epochs"] or 0), run.pattern or schedule["pattern"]
    if len(set(pattern)) > 1:
        return epochs
    after = epochs - int(schedule["warm_up"])  # each epoch trains what an alternation trains in every other one
    return int(schedule["warm_up"]) + (-(-after // 2) if run.continues else 0)


def _train_and_test(run: _Run, arguments: list[str], folder: Path) -> Record:
    cli = WTALCLI(arguments, run=False)
    cli.claim_folder()
    model, trainer = cli.model, cli.trainer
    assert isinstance(model, CollaborationModule)
    if model.sources[:2] != (CBP.name, VLP.name):
        raise ConfigError(
            f"`wtal compare` names its methods after {CBP.name} and {VLP.name}, but the branches are called "
            f"{' and '.join(model.sources[:2])}: compare them under these names, or use `wtal sweep`."
        )
    if run.pattern != "":
        seconds = _fit(cli, _WarmUp(folder, cli.config.as_dict(), model.schedule.warm_up))
    else:
        assert isinstance(model.vlp, VLPBranch)
        seconds, model.vlp = 0.0, model.vlp.vanilla()
    (metrics,) = trainer.test(model, cli.datamodule, verbose=False)
    identity = Identity.of(cli.settings, trainer.world_size, run.variant)
    record = make_record(cli.settings, identity, model, cli.datamodule, metrics, None, seconds, run.answers)
    write_record(RunFolder.of(trainer).record, record)
    return record


def _fit(cli: WTALCLI, warm_up: _WarmUp) -> float:
    """Train, from the seed's warm-up if it exists, and return the seconds that training from the start would take."""
    trainer: Trainer = cli.trainer
    shared = warm_up.exists
    trainer.callbacks.append(warm_up)  # type: ignore[attr-defined]
    start = time.monotonic()
    trainer.fit(cli.model, cli.datamodule, ckpt_path=warm_up.checkpoint if shared else None)
    return time.monotonic() - start + (warm_up.seconds if shared else 0)


def _rows(run: _Run, record: Record, seed: int) -> list[dict[str, Any]]:
    """One row of the table for each method that the run stands for."""
    rows = []
    for method, source in run.answers.items():
        prefix = f"test/{source}/"
        measured = {key.removeprefix(prefix): value for key, value in record.metrics.items() if key.startswith(prefix)}
        measured["mAP_avg"] = measured.pop("mAP")
        origin = {"features": record.features, "benchmark": record.benchmark, "weights": record.weights}
        rows.append({"method": method, "seed": seed, **measured, "train_seconds": record.seconds, **origin})
    return rows
