"""A run as files for the Hugging Face Hub, and back: weights in safetensors, all else in JSON and YAML."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from wtal.data.manifest import MANIFEST
from wtal.errors import CheckpointError, ConfigError, HubError
from wtal.io.addresses import fetched
from wtal.io.bounds import is_bounded, read_checkpoint, read_json, read_yaml
from wtal.io.extras import from_extra
from wtal.io.files import drafted, write_text
from wtal.io.fingerprint import checksum
from wtal.io.hub import HubAddress, cache_folder, download, is_hub_address
from wtal.results.model_card import model_card
from wtal.results.record import Record, read_record, write_record
from wtal.results.run_folder import RunFolder, newest_checkpoint
from wtal.training.rebuilding import refuse_untrusted, untrusted_names

__all__ = ["is_feature_store", "local_path", "pack", "unpack"]

_WEIGHTS, _MODEL = "model.safetensors", "model.json"
_SCHEMA = 1
_MOST_SETTINGS = 1_000_000


def local_path(path: Path) -> Path:
    """A path as it is; for an address, the local copy of the run, checkpoint or feature store there.

    Raises:
        HubError, RemoteError: If it cannot be downloaded; HubError also if it is neither.
        CheckpointError: As :func:`unpack` does.
    """
    if not is_hub_address(path):
        return fetched(path)
    address = HubAddress.parse(path)
    found = download(address)
    inside = found / address.inside
    if not (inside / _MODEL).is_file():
        if inside.is_dir() and not (is_feature_store(inside) or any(inside.rglob("*.np[yz]"))):
            raise HubError(
                f"{address} holds neither a run of wtal ({_MODEL}) nor features (.npy): a run gets there by `wtal "
                "push`, and files that could run code, such as .ckpt and .pkl, are never downloaded."
            )
        return inside
    run = cache_folder() / address.repo.replace("/", "--") / found.name / address.inside
    if not RunFolder(run).last.is_file():
        unpack(inside, run)
    return run


def is_feature_store(folder: Path) -> bool:
    """Whether a folder is a feature store, or holds one of each stream."""
    return any(path.is_file() for path in (folder / MANIFEST, *folder.glob(f"*/{MANIFEST}")))


def pack(source: Path, folder: Path, repo: str = "user/repo") -> Record:
    """Write what is shared of a run: ``model.safetensors``, ``model.json``, its settings, its record and a model card.

    Settings of the trainer that name classes of other packages, such as callbacks, are left out: they would be refused
    when the run is pulled.

    Args:
        source: Folder of the run, or its checkpoint.
        folder: A folder for the files.
        repo: Name of the repository, for the model card.

    Returns:
        The run's record, as it is shared.

    Raises:
        CheckpointError: If there is no checkpoint, it was trained in Python, or it names classes of other packages.
        ConfigError: If there is no record of this run.
    """
    path = source if source.is_file() else newest_checkpoint(source)
    run = None if path is None else RunFolder.containing(path)
    if path is None or run is None or not run.record.is_file():
        raise ConfigError(f"{source} has no checkpoint with a record.json: give the folder of a run that is finished.")
    record = read_record(run.record)
    checkpoint = read_checkpoint(path)
    if record is None or not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} is not a checkpoint of this project: give the folder of a run.")
    digest = _part(checkpoint, "run").get("digest", record.identity)
    if digest != record.identity:
        raise ConfigError(f"{run.record} is of the run {record.identity}, but {path} of {digest}: test the run again.")
    _write_weights(checkpoint["state_dict"], folder / _WEIGHTS)
    model = _model(checkpoint, path) | {"weights_sha256": checksum(folder / _WEIGHTS)}
    write_text(folder / _MODEL, json.dumps(model, indent=1))
    config = _shared_config(record.config)
    shared = replace(record, config=config)
    refuse_untrusted(config, run.record, ())
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_record(folder / "record.json", shared)
    if run.identity.is_file():
        shutil.copyfile(run.identity, folder / run.identity.name)
    write_text(folder / "README.md", model_card(shared, repo, model["class_names"]))
    return shared


def unpack(source: Path, run: Path) -> None:
    """Make the folder of a run from the files of :func:`pack`, whole or not at all; nothing in them can run code.

    Args:
        source: Folder of the files.
        run: The folder, which does not exist yet.

    Raises:
        CheckpointError: If a file is damaged, or names classes of other packages.
    """
    content = read_json(source / _MODEL, CheckpointError)
    if not isinstance(content, dict) or not is_bounded(content, _MOST_SETTINGS):
        raise CheckpointError(f"{source / _MODEL} is damaged: pull it again, or tell its authors.")
    if content.get("schema") != _SCHEMA:
        raise CheckpointError(f"{source / _MODEL} has the form of a newer version of wtal: install that one.")
    refuse_untrusted([content.get("class_path"), content.get("init_args")], source / _MODEL, ())
    config = source / "config.yaml"
    if config.is_file():
        refuse_untrusted(read_yaml(config, CheckpointError), config, ())
    if checksum(source / _WEIGHTS) != content.get("weights_sha256"):
        raise CheckpointError(f"{source / _WEIGHTS} does not have the checksum that {_MODEL} states: pull it again.")
    run.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{run.name}.", dir=run.parent) as draft:
        made = RunFolder(Path(draft, run.name))
        with drafted(made.last) as file:
            torch.save(_checkpoint(content, _read_weights(source / _WEIGHTS)), file)
        for name in ("config.yaml", "record.json", "identity.json", "README.md"):
            if (source / name).is_file():
                shutil.copyfile(source / name, made.path / name)
        made.path.rename(run)


# Parts --------------------------------------------------------------------------------------------------------------


def _model(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a checkpoint holds besides weights and the state of the training, as JSON has it.

    Raises:
        CheckpointError: If it holds anything else, or no class of its model.
    """
    saved = dict(_part(checkpoint, "hyper_parameters"))
    settings = {name: value for name, value in saved.items() if not name.startswith("_") and name != "class_names"}
    content = {
        "schema": _SCHEMA,
        "class_path": saved.get("_class_path"),
        "init_args": settings,
        "class_names": checkpoint.get("class_names"),
        "epoch": checkpoint.get("epoch", 0),
        "floors": checkpoint.get("floors", {}),
        "marks": checkpoint.get("marks", []),
        "run": checkpoint.get("run", {}),
        "turn_progress": _part(_part(_part(checkpoint, "loops"), "fit_loop"), "turn_progress"),
        "lightning": checkpoint.get("pytorch-lightning_version", ""),
        "texts": {n: value for n, value in checkpoint["state_dict"].items() if not isinstance(value, torch.Tensor)},
    }
    try:
        json.dumps(content)
    except TypeError:
        content["class_path"] = None
    if content["class_path"] is None:
        raise CheckpointError(f"{path} was trained in Python, and its settings cannot be shared: use `wtal fit`.")
    refuse_untrusted([content["class_path"], settings], path, ())
    return content


def _checkpoint(content: Mapping[str, Any], weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """A checkpoint as :func:`wtal.load` and ``wtal test`` read it, without the state of a training."""
    names = content.get("class_names")
    return {
        "epoch": content.get("epoch", 0),
        "global_step": 0,
        "pytorch-lightning_version": content.get("lightning", ""),
        "state_dict": {**weights, **_part(content, "texts")},
        "hyper_parameters": {
            **_part(content, "init_args"),
            "_class_path": content.get("class_path"),
            "class_names": names,
        },
        "class_names": names,
        "floors": _part(content, "floors"),
        "marks": content.get("marks", []),
        "run": _part(content, "run"),
        "loops": {"fit_loop": {"turn_progress": _part(content, "turn_progress")}},
    }


def _part(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _shared_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the trainer's settings that name classes of other packages."""
    trainer = {k: v for k, v in _part(config, "trainer").items() if not any(untrusted_names(v))}
    return {**config, "trainer": trainer}


def _write_weights(state: Mapping[str, Any], path: Path) -> None:
    with from_extra("hub"):
        from safetensors.torch import save_file
    tensors = {n: value.detach().clone().contiguous() for n, value in state.items() if isinstance(value, torch.Tensor)}
    with drafted(path) as draft:
        save_file(tensors, draft)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    with from_extra("hub"):
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({str(error)[:100]}): pull it again.") from error
