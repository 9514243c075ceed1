import pickle

import pytest
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from wtal.errors import CheckpointError, ConfigError, FeatureError
from wtal.training.lightning import as_own_errors


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (MisconfigurationException("No such\n  accelerator."), ConfigError, "No such accelerator."),
        (FileNotFoundError("Checkpoint file not found"), CheckpointError, "Checkpoint file not found"),
        (pickle.UnpicklingError("Weights only load failed"), CheckpointError, "could run code"),
        (RuntimeError("PytorchStreamReader failed"), CheckpointError, "The checkpoint is damaged"),
    ],
)
def test_what_lightning_and_torch_refuse_is_an_error_of_this_project(error, kind, message):
    with pytest.raises(kind, match=message) as caught, as_own_errors():
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_a_setting_that_lightning_refuses_while_it_runs_is_an_error_of_this_project():
    with pytest.raises(ConfigError, match="cluster_environment"), as_own_errors():
        raise_in("lightning_fabric.plugins", ValueError("No\n`cluster_environment`."))
    with pytest.raises(ValueError, match="ours"), as_own_errors():
        raise_in("wtal.nn", ValueError("ours"))


def raise_in(module: str, error: Exception) -> None:
    exec("def fail(error): raise error", code := {"__name__": module})
    code["fail"](error)


@pytest.mark.parametrize("error", [FileNotFoundError("list.txt"), RuntimeError("CUDA out of memory"), KeyError("a")])
def test_any_other_error_passes(error):
    with pytest.raises(type(error)) as caught, as_own_errors():
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("layer", "features"),
    [(nn.Linear(2048, 4), torch.zeros(2, 5, 64)), (nn.Conv1d(2048, 4, 3, padding=1), torch.zeros(2, 64, 5))],
    ids=["linear", "convolution"],
)
def test_features_of_another_width_are_one_sentence_with_both_widths(layer, features):
    message = r"expects 2048 channels and was given 64: .*set the head's `in_dim` to 64"
    with pytest.raises(FeatureError, match=message), as_own_errors():
        layer(features)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(3, 5), "2 weights of the checkpoint have other shapes, weight 4, 3 and not 5, 3"),
        (nn.BatchNorm1d(4, affine=False), "belongs to another model"),
    ],
)
def test_weights_of_another_model_are_one_sentence(other, message):
    with pytest.raises(CheckpointError) as caught, as_own_errors():
        other.load_state_dict(nn.Linear(3, 4).state_dict())
    assert message in str(caught.value).replace("[", "").replace("]", "")
