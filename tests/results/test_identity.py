import pytest

from wtal.results import Identity


def config(**changes: object) -> dict:
    """Settings of a run, with some changed by their dotted names (``__`` for the dot)."""
    settings = {
        "seed_everything": 0,
        "trainer": {"max_epochs": 3, "devices": "auto", "gradient_clip_val": 2.0, "callbacks": None, "logger": None},
        "model": {
            "class_path": "wtal.branches.CBPBranch",
            "init_args": {
                "head": {"class_path": "wtal.nn.heads.UMHead", "init_args": {"ratio": 9, "dropout": 0.1}},
                "optimizer": {"init_args": {"lr": 1e-5, "betas": (0.9, 0.999)}},
            },
        },
        "data": {"init_args": {"root": "runs/synthetic", "num_workers": 0, "cache": False}},
        "name": None,
        "resume": False,
    }
    for name, value in changes.items():
        *above, last = name.split("__")
        part = settings
        for key in above:
            part = part.setdefault(key, {}) if not isinstance(part.get(key), dict) else part[key]
        part[last] = value
    return settings


@pytest.mark.parametrize(
    "change",
    [
        {"trainer__max_epochs": 9},
        {"trainer__devices": 2},
        {"trainer__logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "x"}}},
        {"trainer__default_root_dir": "elsewhere"},
        {"trainer__callbacks": [{"class_path": "pytorch_lightning.callbacks.LearningRateMonitor"}]},
        {"trainer__gradient_clip_val": 2},
        {"data__init_args__num_workers": 4},
        {"data__init_args__cache": True},
        {"name": "mine"},
        {"resume": True},
        {"model__init_args__optimizer__init_args__betas": [0.9, 0.999]},
    ],
)
def test_what_does_not_change_the_result_is_no_part_of_it(change):
    assert Identity.of(config(**change)) == Identity.of(config())
    assert Identity.of(config(**change)).digest == Identity.of(config()).digest


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed_everything": 1}, "seed_everything: 0 there, 1 here"),
        ({"trainer__gradient_clip_val": 2.5}, "trainer.gradient_clip_val: 2 there, 2.5 here"),
        ({"data__init_args__root": "other"}, "data.root: runs/synthetic there, other here"),
        ({"model__init_args__optimizer__init_args__lr": 2e-5}, "optimizer.lr: 1e-05 there, 2e-05 here"),
        ({"model__init_args__average": 0.5}, "average: not set there, 0.5 here"),
        (
            {"model__init_args__head": {"class_path": "wtal.nn.heads.CO2Head", "init_args": {"ratio": 7}}},
            "head: wtal.nn.heads.UMHead there, wtal.nn.heads.CO2Head here",
        ),
        (
            {"trainer__callbacks": [{"class_path": "pytorch_lightning.callbacks.EarlyStopping"}]},
            "trainer.callbacks: None there, [{'class_path': 'pytorch_lightning.callbacks.EarlyStoppin... here",
        ),
        (
            {f"model__init_args__{name}": 1 for name in "abcde"},
            "a: not set there, 1 here; b: not set there, 1 here; c: not set there, 1 here; and 2 more",
        ),
    ],
)
def test_what_changes_the_result_is_named(change, sentence):
    there, here = Identity.of(config()), Identity.of(config(**change))
    assert there != here
    assert there.digest != here.digest
    assert there.difference(here) == sentence
    assert there.difference(there) == ""


def test_the_number_of_processes_and_the_variant_are_part_of_it():
    identities = [Identity.of(config()), Identity.of(config(), processes=2), Identity.of(config(), variant="vanilla")]
    assert len({identity.digest for identity in identities}) == len(set(identities)) == 3


def test_a_stored_identity_is_the_same():
    identity = Identity.of(config(), processes=2)
    assert Identity.stored(dict(identity.settings)) == identity
