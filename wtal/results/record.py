"""What a run states about itself: the record of its training, and what its predictions were made on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from wtal.errors import ConfigError, PredictionError, brief
from wtal.io.bounds import checked_floors, read_json
from wtal.io.files import write_text
from wtal.results.identity import Identity
from wtal.views import View

__all__ = [
    "About",
    "Record",
    "config_texts_digest",
    "length_of",
    "parse_record",
    "read_about",
    "read_record",
    "write_about",
    "write_record",
]

_SCHEMA = 2  # 1 had two forms, that of `fit` and that of `compare`
_LARGEST = 1e12  # no measure is larger


@dataclass(frozen=True)
class Record:
    """All that a table may show about a run; ``record.json`` in plain values.

    Args:
        metrics: Results of the last checkpoint by name, such as ``test/fused/mAP``: of the held-out videos if there was
            a validation, of the test videos if there was a test.
        selected: The same of the checkpoint that was chosen on held-out videos; None if none was chosen.
        config: The whole configuration; empty in the record of a comparison from before version 0.2.
        identity: Digest of the run's :class:`~wtal.results.identity.Identity`.
        processes: Number of processes that trained together.
        seed: Seed of weights, order and crops; None if there was none.
        seconds: Duration of the training, that of all its parts if it was interrupted.
        model: Name of the model's class.
        features: Where the features come from.
        benchmark: Name of the benchmark.
        annotations: Name and SHA-256 of the annotations; empty if they were not recorded.
        weights: Where pretrained weights come from; empty without any.
        memory_mib: Peak memory, of the GPU if there is one; None if it was not measured.
        git: Revision of the code, with a plus sign if it was changed since; empty outside a repository.
        versions: Versions of this package and of those it depends on.
        methods: Methods of a comparison that the run stands for, with the source of each one's results.
        chosen: Settings of the model that were chosen on held-out training videos, such as ``fusion.probability``.
        command: The command that trained it; empty if it was trained in Python, or was not recorded.
    """

    metrics: Mapping[str, float]
    selected: Mapping[str, float] | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity: str = ""
    processes: int = 1
    seed: int | None = None
    seconds: float = 0.0
    model: str = ""
    features: str = ""
    benchmark: str = ""
    annotations: str = ""
    weights: str = ""
    memory_mib: float | None = None
    git: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    methods: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, float] = field(default_factory=dict)
    command: str = ""

    @property
    def length(self) -> tuple[object, ...]:
        """How long the training was allowed to be, which is no part of its identity."""
        return length_of(self.config)

    @property
    def is_tested(self) -> bool:
        """Whether there are results on the test videos."""
        return any(name.startswith("test/") for name in self.metrics)


def length_of(config: Mapping[str, Any]) -> tuple[object, ...]:
    """The length of a training in a configuration: largest numbers of epochs and steps, and the time limit."""
    trainer = config.get("trainer")
    trainer = trainer if isinstance(trainer, Mapping) else {}
    limits = [trainer.get(name) for name in ("max_epochs", "max_steps", "max_time")]
    return tuple(json.dumps(one, sort_keys=True) if isinstance(one, dict | list) else one for one in limits)


def config_texts_digest(texts: object) -> str:
    """The identity of a comparison's run before version 0.2: a digest of its configuration files, in their order."""
    return sha256(json.dumps(texts).encode()).hexdigest()[:16]


def write_record(path: Path, record: Record) -> None:
    """Write ``record.json``."""
    write_text(path, json.dumps({"schema": _SCHEMA, **asdict(record)}, indent=1, default=str))


def read_record(path: Path) -> Record | None:
    """Read a record of this version or an older one.

    Returns:
        The record; None if the file belongs to another program.

    Raises:
        ConfigError: If the file is damaged or was written by a newer version.
    """
    content = read_json(path, ConfigError)
    return parse_record(content, str(path)) if isinstance(content, dict) and "metrics" in content else None


def parse_record(content: dict[str, Any], place: str) -> Record:
    """Make a record from the content of its file, of this version or an older one.

    Args:
        content: Values by name, including the metrics.
        place: Path of the file, or name of the run, for the message.

    Raises:
        ConfigError: If a value has another type, or the record was written by a newer version.
    """
    schema = content.get("schema", 1)
    if schema not in (1, _SCHEMA):
        raise ConfigError(f"{place} has the form {brief(schema)} of a newer version of wtal: install that one.")
    try:
        return _checked(_as_schema_2(content) if schema == 1 else content)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ConfigError(f"{place} is damaged: {str(error)[:200]}; delete it, or repeat the run.") from error


def _as_schema_2(content: dict[str, Any]) -> dict[str, Any]:
    """A record from before version 0.2: the benchmark was called ``protocol``, and `compare` had its own form."""
    content = {"benchmark": content.get("protocol", ""), "seconds": content.get("train_seconds", 0.0), **content}
    config = content.get("config")
    if isinstance(config, list):  # of `compare`: the texts of its configuration files
        return {**content, "config": {}, "identity": config_texts_digest(config)}
    config = config if isinstance(config, dict) else {}
    return {**content, "config": config, "identity": Identity.of(config).digest}


def _checked(content: dict[str, Any]) -> Record:
    """A record whose values all have the right type.

    Raises:
        ValueError: If one does not; the message names the value.
    """
    config, seed, selected = content.get("config", {}), content.get("seed"), content.get("selected")
    if not isinstance(config, dict):
        raise ValueError(f"its config is {brief(config)}")
    if seed is not None and not isinstance(seed, int):
        raise ValueError(f"its seed is {brief(seed)}")
    names = ("identity", "model", "features", "benchmark", "annotations", "weights", "git", "command")
    return Record(
        metrics=_numbers(content["metrics"]),
        selected=None if selected is None else _numbers(selected),
        config=config,
        processes=int(content.get("processes", 1)),
        seed=seed,
        seconds=_number("seconds", content.get("seconds", 0.0)),
        memory_mib=None if content.get("memory_mib") is None else _number("memory_mib", content["memory_mib"]),
        versions=_texts(content.get("versions")),
        methods=_texts(content.get("methods")),
        chosen=_numbers(content.get("chosen", {})),
        **{name: str(content.get(name, "")) for name in names},
    )


def _texts(content: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _numbers(content: object) -> dict[str, float]:
    measured: dict[Any, Any] = content if isinstance(content, dict) else {"metrics": content}
    return {str(name): _number(name, value) for name, value in measured.items()}


def _number(name: object, value: object) -> float:
    if not isinstance(value, int | float) or abs(value) > _LARGEST:
        raise ValueError(f"{brief(name)} is {brief(value)}")
    return value


# What predictions were made on --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class About:
    """What every table of a run's numbers must state.

    Args:
        features: Where the features come from.
        benchmark: Name of the benchmark.
        tious: Its thresholds of temporal IoU.
        weights: What a reader must know about the weights; otherwise empty.
        checkpoint: Name of the file that the weights come from, or ``as in memory``.
        part: How many of the videos were measured, such as ``2 of 8 videos``; empty if all were.
        views: How figures show each source, if known.
        floors: For each source and class, the score that the best detection of a video must reach for the class to be
            shown to people; empty if none was learned.
        task: What was to be found; see :class:`~wtal.types.Benchmark`.
    """

    features: str = ""
    benchmark: str = ""
    tious: tuple[float, ...] = ()
    weights: str = ""
    checkpoint: str = ""
    part: str = ""
    views: tuple[View, ...] = ()
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    task: str = "localization"

    @property
    def caption(self) -> str:
        """One line under a table.

        >>> About("made up", "toy", (0.5,)).caption
        'features: made up; benchmark: toy'
        """
        parts = {"features: ": self.features, "benchmark: ": self.benchmark, "": self.weights, "only ": self.part}
        parts |= {"checkpoint: ": self.checkpoint}
        return "; ".join(f"{name}{value}" for name, value in parts.items() if value)


def _view(content: Mapping[str, Any]) -> View:
    return View(content["name"], title=str(content["title"])[:200], colour=str(content["colour"])[:7])


def write_about(path: Path, about: About) -> None:
    """Write ``about.json``."""
    write_text(path, json.dumps(asdict(about), indent=1, ensure_ascii=False))


def read_about(path: Path) -> About:
    """Read a file of :func:`write_about`.

    Raises:
        PredictionError: If the file has another form.
    """
    try:
        content = dict(read_json(path, PredictionError).items())  # no other value has items
        content.setdefault("benchmark", content.get("protocol", ""))  # its name before version 0.2
        known = {field.name: content[field.name] for field in fields(About) if field.name in content}
        texts = {name: str(value) for name, value in known.items() if name not in ("tious", "views", "floors")}
        floors = checked_floors(known.get("floors", {}))
        tious, views = tuple(map(float, known.get("tious", ()))), tuple(map(_view, known.get("views", ())))
        return About(**texts, tious=tious, views=views, floors=floors)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ConfigError) as error:
        raise PredictionError(f"{path} is damaged ({str(error)[:80]}): delete it, or test the run again.") from error
