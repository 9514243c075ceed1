"""Every method of the paper's argument, trained and tested in the same way, in one table."""

import copy
import hashlib
import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard, get_args

import pandas as pd
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.collaboration import CollaborationModule
from wtal.comparison.best_fusion import held_out_map, in_words, without_segments
from wtal.comparison.methods import FUSED, SINGLE, Run, is_pair, runs_of, teacher_of, without_method
from wtal.comparison.parallel import Measured, in_processes
from wtal.comparison.students import run_of_record, student_configs
from wtal.errors import ConfigError
from wtal.io.files import write_text
from wtal.io.shipped import without_home
from wtal.results.comparison import Method, save_comparison
from wtal.results.identity import Identity
from wtal.results.record import Record, config_texts_digest, length_of, read_record, write_record
from wtal.results.run_folder import RunFolder, records_below
from wtal.tasks import task_of
from wtal.training.cli import WTALCLI
from wtal.training.runs import make_record, say
from wtal.views import CBP, VLP

__all__ = ["compare", "settings_of"]

_HELD_OUT = 0.3  # share of the training videos on which a late fusion is fitted


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
            written = self.checkpoint.with_suffix(f".{os.getpid()}")  # another process may read it at any time
            trainer.save_checkpoint(written)
            written.replace(self.checkpoint)


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
    options: Sequence[str] = (),
    command: str = "",
    jobs: int = 1,
) -> pd.DataFrame:
    """Train and test methods; see ``wtal compare`` for the arguments.

    Args:
        config: See ``wtal compare``.
        output: See ``wtal compare``.
        seeds: See ``wtal compare``.
        methods: See ``wtal compare``; those that the configuration does not allow are left out.
        ablations: See ``wtal compare``.
        options: Options such as ``--data.held_out=0.1``, which change the files' values.
        command: The command that makes the table, which the table states.
        jobs: See ``wtal compare``.

    Returns:
        One row per method and seed, also written to ``comparison.csv`` and ``comparison.md`` of ``output``.

    Raises:
        ConfigError: If an ablation has the name of a method or of another ablation, or no method is left.
    """
    wanted = [*methods, *_names_of(ablations)]
    runs = _runs(config, options, wanted, ablations)
    work = partial(_measure, config, options, output)
    apart = jobs > 1
    measured = in_processes(work, seeds, runs, output, jobs) if apart else {seed: work(seed, runs) for seed in seeds}
    rows: list[dict[str, Any]] = [
        row
        for seed in seeds
        for run in runs
        for record in [measured[seed][run.name]]
        if record is not None
        for row in _rows(run, record, seed)
        if row["method"] in wanted
    ]
    if not rows:
        raise ConfigError(
            f"{config[0]}: none of the methods {', '.join(wanted)} could be run on these data: name others."
        )
    order = [*get_args(Method), *wanted]
    rows.sort(key=lambda row: (order.index(row["method"]), row["seed"]))
    table = pd.DataFrame(rows)
    save_comparison(table, output, command)
    return table


def _measure(config: Sequence[Path], options: Sequence[str], output: Path, seed: int, runs: Sequence[Run]) -> Measured:
    """The records of runs with a seed, by name of the run."""
    return {run.name: _record(run, config, options, output / f"seed_{seed}", seed) for run in runs}


def _runs(
    config: Sequence[Path], options: Sequence[str], wanted: Sequence[str], ablations: Sequence[Path]
) -> list[Run]:
    """The runs of the methods and ablations that were asked for and that the configuration allows.

    Raises:
        ConfigError: If there is none.
    """
    settings = settings_of(config, options)
    runs = [*runs_of(settings, config[0])]
    if is_pair(settings, config[0]):
        runs += [Run(path.stem, None, {path.stem: FUSED}, overlay=path) for path in ablations]
    runs = [run for run in runs if set(run.answers) & set(wanted)]
    if not runs:
        without = without_method(settings, config[0])
        reason = next((without[method] for method in wanted if method in without), SINGLE)
        raise ConfigError(f"{config[0]} allows none of {', '.join(wanted)}, as {reason}: name others by `--methods`.")
    return runs


def _names_of(ablations: Sequence[Path]) -> list[str]:
    """Names of ablations, each of its own.

    Raises:
        ConfigError: If one is that of a method or of another ablation.
    """
    names = [path.stem for path in ablations]
    for path in ablations:
        if path.stem in get_args(Method):
            raise ConfigError(f"{path}: {path.stem} is a method: name it in `--methods`, or rename the file.")
        if names.count(path.stem) > 1:
            raise ConfigError(f"{path}: two ablations are called {path.stem}, and each needs a row of its own.")
    return names


class _Settings(WTALCLI):
    """Parses the settings of a run without making anything from them."""

    def instantiate_classes(self) -> None:
        """Make nothing."""


def settings_of(config: Sequence[Path], options: Sequence[str] = ()) -> dict[str, Any]:
    """All settings of files, each merged over the ones before, and of options, as plain values."""
    return _Settings([*(f"--config={path}" for path in config), *options], run=False).settings


def _record(run: Run, config: Sequence[Path], options: Sequence[str], folder: Path, seed: int) -> Record | None:
    """Results of a run: those on disk if they have the same identity and length, else those of a new training.

    Returns:
        None, after a sentence, for a student on segments where the training videos have none.
    """
    if run.learns_from:
        return _record_of_student(run, config, options, folder, seed)
    files, config = config, [*config, run.overlay] if run.overlay else config
    arguments = [f"--config={path}" for path in config]
    arguments += [*options, f"--seed_everything={seed}"]
    fitted = _fit_fusion(run, arguments, config[0], folder / "held_out") if run.fits_fusion else None
    if fitted:
        arguments += [f"--model.init_args.{name}={value}" for name, value in fitted.chosen.items()]
    arguments.append(f"--trainer.default_root_dir={folder / run.name}")
    if run.pattern:
        arguments.append(f"--model.init_args.schedule.pattern={run.pattern}")
    settings = _Settings(arguments, run=False).settings
    _refuse_part(settings, config[0])
    settings["trainer"]["max_epochs"] = epochs = _epochs(run, settings)
    arguments.append(f"--trainer.max_epochs={epochs}")
    before_0_2 = "" if options or run.fits_fusion else config_texts_digest([path.read_text() for path in config])
    known = _finished(folder / run.name, settings, run.variant, before_0_2)
    return known or _train_and_test(run, arguments, folder, fitted, _command(run, files, options, seed))


def _record_of_student(
    run: Run, config: Sequence[Path], options: Sequence[str], folder: Path, seed: int
) -> Record | None:
    """As :func:`_record`, for the student of the configuration's own method."""
    settings = settings_of(config, [*options, f"--seed_everything={seed}"])
    teacher = teacher_of(settings, config[0])
    taught_by = _record(teacher, config, options, folder, seed)
    assert taught_by is not None
    found = run_of_record(folder / teacher.name, taught_by)
    files = student_configs(found, settings, folder / "labels" / taught_by.identity)
    arguments = [f"--config={files[run.learns_from]}", f"--trainer.default_root_dir={folder / run.name}"]
    for name in ("accelerator", "devices", "enable_progress_bar", "enable_model_summary"):
        if settings["trainer"].get(name) is not None:
            arguments.append(f"--trainer.{name}={settings['trainer'][name]}")
    known = _finished(folder / run.name, _Settings(arguments, run=False).settings, run.variant)
    if known is not None:
        return known
    if run.learns_from == "segments":
        cli = WTALCLI(arguments, run=False)
        if not cli.datamodule.annotations.segments["video_id"].isin(cli.datamodule.train_table().index).any():
            say(cli.trainer, f"{config[0]}: there is no supervised reference, as the training videos have no segments.")
            return None
    return _train_and_test(run, arguments, folder, None, _command(run, config, options, seed))


def _finished(folder: Path, settings: Mapping[str, Any], variant: str, before_0_2: str = "") -> Record | None:
    """The newest record below a folder that has the identity and the length of some settings; None without any."""
    for path in reversed(records_below(folder)):
        record = read_record(path)
        if record is None:
            continue
        identity = Identity.of(settings, record.processes, variant)
        same = record.identity == identity.digest and record.length == length_of(settings)
        if same or (before_0_2 and record.identity == before_0_2):
            return record
    return None


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


def _epochs(run: Run, settings: Mapping[str, Any]) -> int:
    """Number of epochs of a run."""
    if run.pattern == "":
        return 0
    schedule, epochs = settings["model"]["init_args"].get("schedule"), int(settings["trainer"]["max_epochs"] or 0)
    if not isinstance(schedule, Mapping) or len(set(run.pattern or schedule["pattern"])) > 1:
        return epochs
    after = epochs - int(schedule["warm_up"])  # each epoch trains what an alternation trains in every other one
    return int(schedule["warm_up"]) + (-(-after // 2) if run.continues else 0)


def _command(run: Run, config: Sequence[Path], options: Sequence[str], seed: int) -> str:
    """The command that trains one method on one seed; empty if its options are those of a list of benchmarks."""
    change = ["--ablations", str(run.overlay)] if run.overlay else []
    methods = ["alternation"] if run.overlay else list(run.answers)
    words = ["--config", *map(str, config), *change, "--methods", *methods, "--seeds", str(seed)]
    return "" if options else shlex.join(["wtal", "compare", *map(without_home, words)])


def _train_and_test(run: Run, arguments: list[str], folder: Path, fitted: Record | None, command: str) -> Record:
    cli = WTALCLI(arguments, run=False)
    cli.claim_folder()
    model, trainer, seconds = cli.model, cli.trainer, 0.0
    if run.pattern != "":
        warm_up = _WarmUp(folder, cli.config.as_dict(), model.schedule.warm_up) if _is_pair(model) else None
        seconds = _fit(cli, warm_up)
    model = _untrained(model) if run.vanilla else model
    (metrics,) = trainer.test(model, cli.datamodule, verbose=False)
    identity = Identity.of(cli.settings, trainer.world_size, run.variant)
    methods = {method: model.sources[place] for method, place in run.answers.items()}
    record = make_record(cli.settings, identity, model, cli.datamodule, metrics, None, seconds, methods)
    record = replace(record, command=command)
    if fitted:
        record = replace(record, seconds=seconds + fitted.seconds, chosen=fitted.chosen)
    write_record(RunFolder.of(trainer).record, record)
    return record


def _is_pair(model: LightningModule) -> TypeGuard[CollaborationModule]:
    return isinstance(model, CollaborationModule)


def _untrained(model: Any) -> Any:  # noqa: ANN401  any branch that has `vanilla`
    """A branch as it was before any learning, or a pair whose second branch is."""
    if not isinstance(model, CollaborationModule):
        return model.vanilla()
    model.vlp = model.vlp.vanilla()  # type: ignore[operator]
    return model


def _fit(cli: WTALCLI, warm_up: _WarmUp | None) -> float:
    """Train, from the seed's warm-up if it exists, and return the seconds that training from the start would take."""
    trainer: Trainer = cli.trainer
    shared = warm_up if warm_up is not None and warm_up.exists else None
    if warm_up is not None:
        trainer.callbacks.append(warm_up)  # type: ignore[attr-defined]
    start = time.monotonic()
    trainer.fit(cli.model, cli.datamodule, ckpt_path=shared.checkpoint if shared else None)
    return time.monotonic() - start + (shared.seconds if shared else 0)


def _fit_fusion(run: Run, arguments: Sequence[str], path: Path, folder: Path) -> Record | None:
    """The record of a warm-up on some training videos, with the weights of the fusion that suit the others best.

    No test video is read. All weights and their mAP on the held-out videos are in ``fusion.csv`` of the run's folder.

    Args:
        run: The run whose fusion is fitted.
        arguments: Its options.
        path: Its first configuration, for the message.
        folder: Folder of the warm-up, and of one folder per run.

    Returns:
        None, after a sentence, if the training videos have no segments or none can be held out: the weights of the
        configuration remain.
    """
    arguments = [*arguments, f"--trainer.default_root_dir={folder / run.name}", "--model.init_args.schedule.pattern=W"]
    arguments += [f"--data.init_args.held_out={_HELD_OUT}", "--data.init_args.validate_on=segments"]
    arguments.append("--trainer.limit_val_batches=0")  # scored once, after the training
    settings = _Settings(arguments, run=False).settings
    settings["trainer"]["max_epochs"] = epochs = int(settings["model"]["init_args"]["schedule"]["warm_up"])
    known = _finished(folder / run.name, settings, run.variant)
    if known is not None and known.chosen:
        return known
    cli = WTALCLI([*arguments, f"--trainer.max_epochs={epochs}"], run=False)
    problem = without_segments(cli.datamodule)
    if problem:
        say(cli.trainer, f"{path}: the late fusion keeps its configured weights, as {problem}.")
        return None
    cli.claim_folder()
    seconds = _fit(cli, _WarmUp(folder, cli.config.as_dict(), epochs))
    model, written = _untrained(cli.model) if run.vanilla else cli.model, RunFolder.of(cli.trainer)
    found, identity = (
        held_out_map(model, cli.datamodule),
        Identity.of(cli.settings, cli.trainer.world_size, run.variant),
    )
    write_text(written.path / "fusion.csv", found.to_csv(index=False))
    best, main = found.iloc[0], task_of(cli.datamodule.benchmark).main
    metrics = {f"val/fused/{main}": float(best[main]), "val/videos": float(best["videos"])}
    record = make_record(cli.settings, identity, model, cli.datamodule, metrics, None, seconds)
    record = replace(record, chosen={name: float(best[name]) for name in found.columns.drop([main, "videos"])})
    write_record(written.record, record)
    return record


def _rows(run: Run, record: Record, seed: int) -> list[dict[str, Any]]:
    """One row of the table for each method that the run stands for."""
    rows, sources = [], _sources(record)
    pair = sources[:-1] if len(sources) > 1 else []
    origin = {name: getattr(record, name) for name in ("features", "benchmark", "annotations", "weights")}
    origin |= {"branches": "" if pair in ([], [CBP.name, VLP.name]) else " and ".join(pair)}
    origin |= {"chosen": in_words(record.chosen)}
    for method, place in run.answers.items():
        prefix = f"test/{sources[place]}/" if sources[place] else "test/"
        measured = {key.removeprefix(prefix): value for key, value in record.metrics.items() if key.startswith(prefix)}
        measured["mAP_avg"] = measured.pop("mAP")
        rows.append({"method": method, "seed": seed, **measured, "train_seconds": record.seconds, **origin})
    return rows


def _sources(record: Record) -> list[str]:
    """The sources of a tested model in their order; an empty name stands for a single branch."""
    names = [name.split("/") for name in record.metrics if name.startswith("test/")]
    return list(dict.fromkeys(words[1] if len(words) > 2 else "" for words in names))
