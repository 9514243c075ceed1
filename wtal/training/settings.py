"""Settings of files, options and defaults as classes with their arguments: how this project uses jsonargparse."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace, _typehints, get_loader, set_loader
from jsonargparse._common import parent_parser
from jsonargparse._util import import_object

import wtal.data
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import ConfigError
from wtal.io.bounds import is_bounded, read_yaml
from wtal.io.text import expanded
from wtal.training.remembering import RememberingParser

__all__ = ["RENAMED", "SettingsParser", "load_data", "read_settings", "up_to_date"]

RENAMED = {  # modules that configurations and checkpoints written before version 0.2 name
    "wtal.nn.prompts": "wtal.nn.text",
}

_LOCALIZER_BEFORE_0_3 = {"class_threshold", "video_weight", "max_proposals", "max_detections"}  # some of its arguments
_MOST_VALUES = 1_000_000  # in a file; those behind an alias count each time it is used

for name in wtal.data.__all__:
    getattr(wtal.data, name)  # classes that are imported can be named without their module


def up_to_date(settings: Any) -> Any:  # noqa: ANN401  nested plain values
    """Settings as they are written now, with the same meaning.

    Classes of renamed modules get their present names. A localizer that was written with all of its arguments before
    version 0.3 scores without the class's probability, as it did then.

    >>> up_to_date({"text": {"class_path": "wtal.nn.prompts.FileText", "init_args": {"path": "text.npy"}}})
    {'text': {'class_path': 'wtal.nn.text.FileText', 'init_args': {'path': 'text.npy'}}}
    """
    if isinstance(settings, dict):
        former = settings.keys() >= _LOCALIZER_BEFORE_0_3 and "video_power" not in settings
        return {key: up_to_date(value) for key, value in settings.items()} | ({"video_power": 0.0} if former else {})
    if isinstance(settings, list | tuple):
        return [up_to_date(value) for value in settings]
    if isinstance(settings, str) and re.fullmatch(r"[\w.]+", settings):
        module, _, name = settings.rpartition(".")
        return f"{RENAMED[module]}.{name}" if module in RENAMED else settings
    return settings


def _load(text: str) -> Any:  # noqa: ANN401
    content = get_loader("yaml")(text)
    if not is_bounded(content, _MOST_VALUES):
        raise yaml.YAMLError(f"more than {_MOST_VALUES} values by aliases")
    return up_to_date(_with_home(content))


def read_settings(path: Path) -> Any:  # noqa: ANN401  nested plain values
    """Read a YAML file as the command line does.

    Raises:
        ConfigError: If it cannot be read.
    """
    return up_to_date(_with_home(read_yaml(path, ConfigError)))


def _with_home(settings: Any) -> Any:  # noqa: ANN401  nested plain values
    """Settings in which ``~`` and variables in paths are replaced, as a shell does it on the command line."""
    if isinstance(settings, dict):
        return {key: _with_home(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [_with_home(value) for value in settings]
    return expanded(settings) if isinstance(settings, str) else settings


set_loader("wtal", _load, (yaml.YAMLError,))


class SettingsParser(RememberingParser):
    """Lightning's parser, in which a new class starts from its own defaults.

    jsonargparse keeps the former class's arguments, even those of a default class, where the new class has the same
    names: a head would silently be trained with the values of another method. Here they are dropped when
    ``class_path`` changes; an overlay that names the same class again, or none, changes single values as usual.

    Takes the arguments of jsonargparse's ``ArgumentParser``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **{"parser_mode": "wtal", "exit_on_error": False, **kwargs})


# The one place that files, options, defaults and nested factories all pass through; `test_settings.py` fails if a
# later jsonargparse moves it. Other parsers in the process keep jsonargparse's behaviour.
_discard_what_does_not_fit: Callable[[Any, Any, Any], None] = _typehints.discard_init_args_on_class_path_change


def _discard_former_settings(parser_or_action: Any, former: Any, new: Any) -> None:  # noqa: ANN401  jsonargparse's own
    if not isinstance(parent_parser.get(), SettingsParser):
        _discard_what_does_not_fit(parser_or_action, former, new)
    elif former and former.get("class_path") and not _is_same_class(former["class_path"], new["class_path"]):
        for part in ("init_args", "dict_kwargs"):
            former.pop(part, None)


_typehints.discard_init_args_on_class_path_change = _discard_former_settings


def _is_same_class(one: str, other: str) -> bool:
    return one == other or import_object(one) is import_object(other)


def load_data(configs: Sequence[Path], options: Sequence[str] = ()) -> SnippetDataModule:
    """Make the data module that YAML files and options of the command line describe, ignoring the rest of the files.

    Args:
        configs: The files, each merged over the ones before.
        options: Options such as ``--data.held_out=0.1``, which change the files' values.

    Raises:
        ConfigError: If a file cannot be read, or there is no ``data`` part.
        argparse.ArgumentError: If that part does not fit the data module.
    """
    parser = SettingsParser()
    parser.add_subclass_arguments(SnippetDataModule, "data", required=True)
    chosen: Namespace | None = None
    for path in configs:
        content = read_settings(path)
        if isinstance(content, dict) and "data" in content:
            chosen = parser.parse_object({"data": content["data"]}, chosen)
    if options:
        files = [] if chosen is None else [f"--data={yaml.safe_dump(yaml.safe_load(parser.dump(chosen))['data'])}"]
        chosen = parser.parse_args([*files, *options])
    if chosen is None:
        place = ", ".join(map(str, configs)) or "The command line"
        raise ConfigError(f"{place} has no `data` part: name a data module there.")
    data: SnippetDataModule = parser.instantiate(chosen).data
    return data
