"""A new class starts from its own defaults, wherever it is named and whatever stood there before."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ActionConfigFile, ArgumentParser
from pytorch_lightning import Callback, LightningDataModule, LightningModule

from wtal.localization import Localizer
from wtal.nn.heads import Head, UMHead
from wtal.training.settings import SettingsParser, load_data, up_to_date

CBP = {"class_path": "wtal.branches.CBPBranch"}
VLP = {"class_path": "wtal.branches.VLPBranch"}
PAIR = {"class_path": "wtal.collaboration.CollaborationModule"}
DATA = {"class_path": "wtal.data.SyntheticDataModule"}
UM_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(UMHead).parameters.items()
    if parameter.default is not inspect.Parameter.empty
}

KINDS: dict[str, tuple[dict[str, Any], str, dict[str, Any], str]] = {  # model, place, former class, new class
    "model": (CBP, "model", {**CBP, "init_args": {"average": 0.5, "localizer": {"sigma": 0.9}}}, VLP["class_path"]),
    "branch": (PAIR, "model.init_args.cbp", {**CBP, "init_args": {"average": 0.5}}, VLP["class_path"]),
    "head": (
        CBP,
        "model.init_args.head",
        {"class_path": "wtal.nn.heads.CO2Head", "init_args": {"dropout": 0.1, "ratio": 2, "hidden": 16}},
        "wtal.nn.heads.UMHead",
    ),
    "head of a pair": (
        PAIR,
        "model.init_args.cbp.init_args.head",
        {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"ratio": 2, "weights": {"sparsity": 0.0}}},
        "wtal.nn.heads.CO2Head",
    ),
    "text": (
        VLP,
        "model.init_args.head.init_args.text",
        {"class_path": "wtal.nn.text.TemplateText", "init_args": {"model": "ViT-L-14"}},
        "wtal.nn.text.PromptedText",
    ),
    "optimizer": (
        CBP,
        "model.init_args.optimizer",
        {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.5, "weight_decay": 0.5}},
        "torch.optim.Adam",
    ),
    "scheduler": (
        CBP,
        "model.init_args.lr_scheduler",
        {"class_path": "torch.optim.lr_scheduler.LinearLR", "init_args": {"total_iters": 9}},
        "torch.optim.lr_scheduler.ConstantLR",
    ),
    "data": (
        CBP,
        "data",
        {"class_path": "wtal.data.CustomDataModule", "init_args": {"batch_size": 3, "annotations": "a.csv"}},
        DATA["class_path"],
    ),
}


@pytest.fixture(scope="module")
def parser() -> SettingsParser:
    """The parts of `wtal fit` that name classes; making all of it again for each test would take a minute."""
    parser = SettingsParser()
    parser.add_argument("--config", action=ActionConfigFile)
    parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    parser.add_argument("--callbacks", type=list[Callback] | Callback | None)
    parser.link_arguments("data.class_names", "model.init_args.class_names", apply_on="instantiate")
    return parser


@pytest.fixture
def resolved(parser: SettingsParser):
    """All settings that words of a command line amount to."""

    def resolve(*words: str) -> dict[str, Any]:
        settings: dict[str, Any] = yaml.safe_load(parser.dump(parser.parse_args(list(words))))
        settings.pop("config", None)
        return settings

    return resolve


@pytest.fixture
def file(tmp_path: Path):
    """Writes a configuration file and returns the words that give it."""

    def write(content: Any) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump(content))
        return f"--config={path}"

    return write


def nested(place: str, value: Any) -> dict[str, Any]:
    for key in reversed(place.split(".")):
        value = {key: value}
    return value


def at(settings: dict[str, Any], place: str) -> Any:
    for key in place.split("."):
        settings = settings[key]
    return settings


# Another class ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["file", "option"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_class_over_another_has_the_settings_that_it_has_alone(kind, way, file, resolved):
    model, place, former, new = KINDS[kind]
    base = file({"model": model, "data": DATA})
    alone = resolved(base, f"--{place}={new}")
    before = [base, file(nested(place, former))]
    if way == "file":
        found = resolved(*before, file(nested(place, {"class_path": new})))
    else:
        found = resolved(*before, f"--{place}={new}")
    assert at(found, place)["class_path"] == new
    assert found == alone
    assert at(resolved(*before), place) != at(alone, place)


@pytest.mark.parametrize("way", ["file", "option"])
def test_the_head_of_a_signature_leaves_nothing_to_another_one(way, file, resolved):
    base = file({"model": CBP, "data": DATA})
    over = file(nested("model.init_args.head", {"class_path": "wtal.nn.heads.UMHead"}))
    head = resolved(base, over if way == "file" else "--model.head=UMHead")["model"]["init_args"]["head"]
    assert head == {"class_path": "wtal.nn.heads.UMHead", "init_args": UM_DEFAULTS}


def test_a_head_without_any_file_has_its_own_defaults(resolved):
    settings = resolved("--model=CBPBranch", "--model.head=UMHead", "--data=SyntheticDataModule")
    assert settings["model"]["init_args"]["head"]["init_args"] == UM_DEFAULTS


def test_callbacks_of_a_list_leave_nothing_to_others_in_their_place(file, resolved):
    early = {
        "class_path": "pytorch_lightning.callbacks.EarlyStopping",
        "init_args": {"monitor": "val/mAP", "mode": "max", "verbose": True},
    }
    save = {"class_path": "pytorch_lightning.callbacks.ModelCheckpoint"}
    base = file({"model": CBP, "data": DATA})
    before = file({"callbacks": [early]})
    after = file({"callbacks": [save]})
    alone = resolved(base, after)["callbacks"]
    assert [callback["class_path"] for callback in alone] == [save["class_path"]]
    for words in ([before, after], [before, f"--callbacks={json.dumps([save])}"]):
        assert resolved(base, *words)["callbacks"] == alone


# Values for it ------------------------------------------------------------------------------------------------------


def test_values_given_for_the_new_class_stay_and_those_of_the_former_go(file, resolved):
    base = file({"model": CBP, "data": DATA})
    former = {"class_path": "wtal.nn.heads.CO2Head", "init_args": {"ratio": 2, "hidden": 16}}
    new = {"class_path": "wtal.nn.heads.UMHead", "init_args": {"hidden": 32}}
    settings = resolved(
        base,
        file(nested("model.init_args.head", former)),
        "--model.head.dropout=0.1",
        file(nested("model.init_args.head", new)),
        file(nested("model.init_args.head.init_args", {"ratio": 3})),
        "--model.head.init_args.margin=4",
        "--model.head.entropy=5",
    )
    expected = UM_DEFAULTS | {"hidden": 32, "ratio": 3, "margin": 4.0, "entropy": 5.0}
    assert settings["model"]["init_args"]["head"]["init_args"] == expected


def test_options_before_the_class_belong_to_the_former_one(file, resolved):
    base = file({"model": CBP, "data": DATA})
    words = ["--model.head.init_args.ratio=2", "--model.head=UMHead", "--model.head.hidden=32"]
    expected = UM_DEFAULTS | {"hidden": 32}
    assert resolved(base, *words)["model"]["init_args"]["head"]["init_args"] == expected


def test_a_new_class_inside_leaves_the_settings_around_it(file, resolved):
    base = file({"model": {**CBP, "init_args": {"average": 0.5, "head": {"class_path": "CO2Head"}}}, "data": DATA})
    assert resolved(base, "--model.head=UMHead")["model"]["init_args"]["average"] == 0.5


# The same class -----------------------------------------------------------------------------------------------------

AGAIN = ["wtal.nn.heads.AttentionMILHead", "wtal.nn.heads.attention_mil.AttentionMILHead", "AttentionMILHead"]


@pytest.mark.parametrize("name", AGAIN)
def test_the_same_class_named_again_keeps_its_values(name, file, resolved):
    head = {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"ratio": 2, "weights": {"sparsity": 0.0}}}
    base = file({"model": {**CBP, "init_args": {"head": head}}, "data": DATA})
    over = {"class_path": name, "init_args": {"hidden": 16, "weights": {"guidance": 0.1}}}
    for words in (
        [file(nested("model.init_args.head", over))],
        [f"--model.head={name}", "--model.head.hidden=16", "--model.head.weights.guidance=0.1"],
        [f"--model.init_args.head={json.dumps(over)}"],
    ):
        arguments = resolved(base, *words)["model"]["init_args"]["head"]["init_args"]
        assert (arguments["ratio"], arguments["hidden"]) == (2, 16)
        assert arguments["weights"] == {"sparsity": 0.0, "guidance": 0.1}


@pytest.mark.parametrize("name", ["wtal.branches.cbp.CBPBranch", "CBPBranch"])
def test_the_same_model_by_another_path_keeps_its_values(name, file, resolved):
    base = file({"model": {**CBP, "init_args": {"average": 0.5}}, "data": DATA})
    assert resolved(base, f"--model={name}")["model"]["init_args"]["average"] == 0.5


def test_an_overlay_of_single_values_merges(file, resolved):
    base = file(
        {"model": {**CBP, "init_args": {"head": {"class_path": "UMHead", "init_args": {"ratio": 2}}}}, "data": DATA}
    )
    over = file(nested("model.init_args.head.init_args", {"hidden": 16}))
    arguments = resolved(base, over)["model"]["init_args"]["head"]["init_args"]
    assert arguments == UM_DEFAULTS | {"ratio": 2, "hidden": 16}


def test_printed_settings_read_again_are_the_same(file, resolved):
    model, place, former, new = KINDS["head"]
    settings = resolved(file({"model": model, "data": DATA}), file(nested(place, former)), f"--{place}={new}")
    assert resolved(file(settings)) == settings


# Other users of jsonargparse ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parser_class", "ratio"), [(SettingsParser, 9), (ArgumentParser, 2)])
def test_any_other_parser_keeps_jsonargparses_rule(parser_class, ratio):
    """It fails where jsonargparse no longer merges, or merges elsewhere: then look at `settings.py` again."""
    parser = parser_class(exit_on_error=False)
    parser.add_argument("--head", type=Callable[[list[str]], Head])
    former = parser.parse_object({"head": {"class_path": "wtal.nn.heads.CO2Head", "init_args": {"ratio": 2}}})
    found = parser.parse_object({"head": {"class_path": "wtal.nn.heads.UMHead"}}, former)
    assert found.head.init_args.ratio == ratio


def test_data_of_a_later_file_start_from_their_own_defaults(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    custom, synthetic = tmp_path / "custom.yaml", tmp_path / "synthetic.yaml"
    custom.write_text("data: {class_path: CustomDataModule, init_args: {annotations: a.csv, batch_size: 3}}\n")
    synthetic.write_text("data: {class_path: SyntheticDataModule, init_args: {params: {train_videos: 4}}}\n")
    assert load_data([custom, synthetic]).batch_size == load_data([synthetic]).batch_size != 3


# Names of before version 0.2 --------------------------------------------------------------------------------------

OLD = {"class_path": "wtal.nn.prompts.TemplateText", "init_args": {"model": "ViT-B-32"}}
PRESENT = {"class_path": "wtal.nn.text.TemplateText", "init_args": {"model": "ViT-B-32"}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"head": [OLD, {"text": OLD}]}, {"head": [PRESENT, {"text": PRESENT}]}),
        ("wtal.nn.prompts.TemplateText", "wtal.nn.text.TemplateText"),
        ("see wtal.nn.prompts.TemplateText", "see wtal.nn.prompts.TemplateText"),
        ("wtal.nn.prompts_of_mine.Text", "wtal.nn.prompts_of_mine.Text"),
        ({"ratio": 2, "path": None}, {"ratio": 2, "path": None}),
    ],
)
def test_classes_of_renamed_modules_get_their_present_names(settings, expected):
    assert up_to_date(settings) == expected


def test_a_configuration_from_before_version_0_2_is_read(file, resolved):
    place = "model.init_args.head.init_args.text"
    settings = resolved(file({"model": VLP, "data": DATA}), file(nested(place, OLD)))
    assert at(settings, f"{place}.class_path") == PRESENT["class_path"]
    assert at(settings, f"{place}.init_args.model") == "ViT-B-32"


def test_aliases_that_multiply_are_refused(tmp_path: Path, resolved):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    (tmp_path / "laughs.yaml").write_text("\n".join(lines))
    with pytest.raises(Exception, match="values by aliases"):
        resolved(f"--config={tmp_path / 'laughs.yaml'}")


def test_a_localizer_of_before_version_0_3_keeps_its_score():
    whole = {**vars(Localizer(class_threshold=0.2)), "cut": ["product"]}
    former = {name: value for name, value in whole.items() if name != "video_power"}
    assert up_to_date({"localizer": former})["localizer"] == {**former, "video_power": 0.0}
    for kept in (whole, {"sigma": 0.2, "class_threshold": 0.2}):
        assert up_to_date({"localizer": kept}) == {"localizer": kept}
