"""The identity of a run: the settings and the seed that decide its result, and their digest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from wtal.errors import one_line

__all__ = ["Identity"]

# Settings that do not change what a run computes, or that only let it run longer.
_TRAINER = (
    "accelerator", "barebones", "default_root_dir", "detect_anomaly", "devices", "enable_autolog_hparams",
    "enable_checkpointing", "enable_model_summary", "enable_progress_bar", "limit_predict_batches", "log_every_n_steps",
    "logger", "max_epochs", "max_steps", "max_time", "model_registry", "num_nodes", "profiler",
)  # fmt: skip
_COMMAND = ("ckpt_path", "config", "logger", "name", "resume", "then_test", "verbose", "weights_only", "_instantiator")
_ASYNCHRONOUS = ("asynchronous", "exchange")
_TRANSPORT = ("address", "cpus", "gpus", "transport")
_DATA = ("cache", "eval_batch_size", "num_workers")
_WITHOUT_EFFECT = {
    *_COMMAND,
    *(f"trainer.{name}" for name in _TRAINER),
    *(f"exchange.{name}" for name in _TRANSPORT),
    *(f"data.init_args.{name}" for name in _DATA),
}
_OBSERVERS = (  # callbacks that only show or log
    "DeviceStatsMonitor", "FitProgress", "LearningRateMonitor", "ModelSummary", "RichModelSummary", "RichProgressBar",
    "ThroughputMonitor", "TQDMProgressBar",
)  # fmt: skip
_MOST_NAMED = 3  # settings in a sentence


@dataclass(frozen=True, eq=False)
class Identity:
    """What decides a run's result.

    Args:
        settings: Plain values by dotted name, such as ``model.init_args.schedule.pattern``.
    """

    settings: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any], processes: int = 1, variant: str = "") -> "Identity":
        """The identity of a resolved configuration.

        Left out are output paths, loggers, progress bars, devices, workers, caches, the batch size of the evaluation,
        and the length of the training, which may grow; the number of processes counts, as each draws its own dropout
        masks.

        Args:
            config: All settings with their defaults, as ``config.yaml`` has them.
            processes: Number of processes that train together.
            variant: Name of what the configuration does not say, such as a branch that is left untrained.

        >>> one = Identity.of({"seed_everything": 0, "trainer": {"devices": 1}, "model": {"init_args": {"lr": 0.1}}})
        >>> other = Identity.of({"seed_everything": 1, "trainer": {"devices": 2}, "model": {"init_args": {"lr": 0.1}}})
        >>> one == other, one.difference(other)
        (False, 'seed_everything: 0 there, 1 here')
        """
        settings = {name: _plain(value) for name, value in _flat(config) if not _is_without_effect(name)}
        if not settings.get("asynchronous"):  # as before there was such a training
            settings = {name: v for name, v in settings.items() if name.partition(".")[0] not in _ASYNCHRONOUS}
        callbacks = settings.get("trainer.callbacks")
        if isinstance(callbacks, list):
            settings["trainer.callbacks"] = [one for one in callbacks if not _is_observer(one)] or None
        return cls({**settings, "processes": processes, **({"variant": variant} if variant else {})})

    @classmethod
    def stored(cls, settings: Mapping[Any, object]) -> "Identity":
        """The identity that a checkpoint states, whatever it may hold."""
        return cls({str(name): _plain(value) for name, value in settings.items()})

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits: equal for equal settings."""
        text = json.dumps(self.settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def difference(self, here: "Identity") -> str:
        """What differs between this identity ("there") and that of the present run ("here"); empty if nothing does.

        If a class differs, the settings of the class are not listed.
        """
        there = self.settings
        names = [n for n in {**there, **here.settings} if n not in there or there[n] != here.settings.get(n, _MISSING)]
        changed = [name.removesuffix("class_path") + "init_args." for name in names if name.endswith("class_path")]
        names = [name for name in names if not name.startswith(tuple(changed))]
        parts = [
            f"{_short(name)}: {_text(there.get(name, _MISSING))} there, {_text(here.settings.get(name, _MISSING))} here"
            for name in names[:_MOST_NAMED]
        ]
        more = len(names) - len(parts)
        return "; ".join([*parts, *([f"and {more} more"] if more else [])])


_MISSING = object()


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Nested settings by their dotted names, in their order; a list is one value."""
    waiting: list[tuple[str, object]] = [(str(key), value) for key, value in reversed([*settings.items()])]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            waiting += [(f"{name}.{key}", part) for key, part in reversed([*value.items()])]
        else:
            yield name, value


def _is_without_effect(name: str) -> bool:
    words = name.split(".")
    return any(".".join(words[:count]) in _WITHOUT_EFFECT for count in range(1, len(words) + 1))


def _is_observer(callback: object) -> bool:
    return isinstance(callback, dict) and str(callback.get("class_path")).rpartition(".")[2] in _OBSERVERS


def _plain(value: object) -> Any:  # noqa: ANN401  a value as JSON has it
    """A value as JSON has it; whole numbers are integers, however they were written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _short(name: str) -> str:
    """A setting's name as a user knows it.

    >>> _short("model.init_args.cbp.init_args.head.class_path"), _short("data.init_args.root")
    ('cbp.head', 'data.root')
    """
    words = [word for word in name.split(".") if word not in ("init_args", "class_path")]
    return ".".join(words[1:] if words[0] == "model" and len(words) > 1 else words)


def _text(value: object) -> str:
    if value is _MISSING:
        return "not set"
    text = one_line(str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
