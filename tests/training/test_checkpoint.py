import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fuzz.guard import little_time_and_room
from pytorch_lightning import Trainer

import wtal
from wtal.branches import CBPBranch
from wtal.collaboration import Schedule
from wtal.errors import CheckpointError, ConfigError, WTALError
from wtal.nn.heads import AttentionMILHead
from wtal.training.checkpoint import load

KINDS = ["collaboration", "cbp", "vlp"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_answers_as_the_trained_one(kind, trained):
    it = trained(kind)
    run = load(it.checkpoint)
    assert type(run.model) is type(it.model)
    assert run.class_names == it.data.class_names
    assert not run.model.training
    for batch in it.data.test_dataloader():
        with torch.no_grad():
            expected, found = it.model.all_scores(batch), run.model.all_scores(batch)
        assert found.keys() == expected.keys()
        for source, scores in expected.items():
            assert all(torch.equal(a, b) for a, b in zip(scores, found[source], strict=True))
    assert run.model.localizer == it.model.localizer


def test_it_needs_no_data_and_no_configuration(trained, tmp_path: Path, monkeypatch):
    it = trained("collaboration")
    shutil.copy(it.checkpoint, tmp_path / "alone.ckpt")
    away = it.data.root.with_name("away")
    it.data.root.rename(away)  # the file of text features too
    monkeypatch.chdir(tmp_path)
    try:
        run = load("alone.ckpt")
        with pytest.raises(ConfigError, match=r"There is no config.yaml above alone.ckpt"):
            _ = run.data
        assert list(run.pseudo_labels["cbp"])[:3] == ["0", "1", "2"]
    finally:
        away.rename(it.data.root)
    assert torch.equal(run.model.vlp.head.text(), it.model.vlp.head.text())


def test_it_holds_the_settings_of_the_training(trained):
    it = trained("collaboration")
    run = load(it.folder)
    assert run.path == it.checkpoint
    assert run.epoch == 2
    assert run.schedule == Schedule(1, "FB", from_cbp="both", from_vlp="both")
    assert run.schedule.step(run.epoch).name == "B: CBP teaches VLP"
    assert run.hyperparameters["localizer"]["sigma"] == 0.2
    assert not {"class_names", "_class_path", "_instantiator"} & run.hyperparameters.keys()
    assert run.data.benchmark == it.data.benchmark
    assert load(trained("cbp").folder).schedule is None


def test_pseudo_labels_are_those_of_the_loop(trained):
    it = trained("collaboration")
    buffers = it.model.trainer.fit_loop.buffers
    found = load(it.folder).pseudo_labels
    videos = it.data.videos("train")
    for student, buffer in buffers.items():
        assert list(found[student]) == [video.video_id for video in videos]
        for row, video in enumerate(videos):
            expected = buffer.lookup(torch.tensor([row]), torch.arange(video.num_snippets)[None])
            assert torch.equal(found[student][video.video_id].label, expected.label[0])
            assert torch.equal(found[student][video.video_id].class_index, expected.class_index[0])
    assert load(trained("cbp").folder).pseudo_labels == {}


def test_prompts_are_the_words_nearest_to_the_context(trained):
    run = load(trained("vlp").folder)
    words = run.prompts(count=2)
    assert words[["vector", "rank"]].to_numpy().tolist() == [[v, r] for v in range(3) for r in range(2)]
    text = run.model.head.text
    table = text._tower[0].text.token_embedding.weight
    assert words["distance"][2] == pytest.approx((table - text.context[0, 1]).norm(dim=1).min().item(), rel=1e-4)
    assert load(trained("collaboration").folder).prompts().empty


def test_the_newest_checkpoint_of_a_folder(trained, tmp_path: Path):
    (tmp_path / "version_10").mkdir()
    (tmp_path / "version_9").mkdir()
    for version in ("version_10", "version_9"):
        shutil.copyfile(trained("cbp").checkpoint, tmp_path / version / "last.ckpt")
        time.sleep(0.02)
    assert load(tmp_path).path == tmp_path / "version_9" / "last.ckpt"
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"There is no last.ckpt in .*empty or below it"):
        load(tmp_path / "empty")


def test_a_module_made_in_python_is_given(trained, tmp_path: Path):
    data = trained("cbp").data
    model = CBPBranch(data.class_names, lambda names: AttentionMILHead(names, in_dim=64, hidden=8))
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    with pytest.raises(CheckpointError, match="was trained in Python: make the model as you did there"):
        load(tmp_path / "own.ckpt")
    other = CBPBranch(data.class_names, lambda names: AttentionMILHead(names, in_dim=64, hidden=8))
    run = load(tmp_path / "own.ckpt", other)
    assert run.model is other
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), model.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="do not fit a CBPBranch"):
        load(tmp_path / "own.ckpt", CBPBranch(data.class_names, lambda n: AttentionMILHead(n, in_dim=64, hidden=4)))


# Written before version 0.2 ------------------------------------------------------------------------------------------


@pytest.fixture
def old_run(trained, tmp_path: Path) -> Path:
    """A run's folder in the old form: classes of ``wtal.nn.prompts``, and buffers with a ``klass``."""
    it = trained("collaboration")
    content = torch.load(it.checkpoint, weights_only=True)
    text = content["hyper_parameters"]["vlp"]["init_args"]["head"]["init_args"]["text"]
    assert text["class_path"] == "wtal.nn.text.FileText"
    text["class_path"] = "wtal.nn.prompts.FileText"
    for state in content["loops"]["fit_loop"]["state_dict"]["pseudo_labels"].values():
        state["klass"] = state.pop("class_index")
    (tmp_path / "checkpoints").mkdir()
    torch.save(content, tmp_path / "checkpoints" / "last.ckpt")
    config = next(it.folder.rglob("config.yaml")).read_text()
    (tmp_path / "config.yaml").write_text(config.replace("wtal.nn.text.prompts.", "wtal.nn.prompts."))
    return tmp_path


def test_a_checkpoint_from_before_version_0_2_loads_with_its_data_and_pseudo_labels(old_run: Path, trained):
    run, present = load(old_run), load(trained("collaboration").folder)
    assert run.hyperparameters == present.hyperparameters
    for name, weight in present.model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], weight), name
    assert run.data.videos("train") == present.data.videos("train")
    for student, labels in present.pseudo_labels.items():
        for video, expected in labels.items():
            assert torch.equal(run.pseudo_labels[student][video].class_index, expected.class_index)


def test_a_configuration_from_before_version_0_2_makes_a_model_trained_in_python(old_run: Path):
    path = old_run / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "hyper_parameters": {}}, path)
    assert type(load(path).model.vlp.head.text).__name__ == "FileText"


# What is no checkpoint -------------------------------------------------------------------------------------------


class _Hostile:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"PK\x03\x04 nothing more", "is not a checkpoint, or a damaged one"),
        (b"", "is not a checkpoint, or a damaged one"),
        (b"just text\n", "is not a checkpoint, or a damaged one"),
        ({"state_dict": {}, "class_names": ["a"], "payload": _Hostile()}, "could run code"),
        ({"weights": torch.zeros(1)}, "not a checkpoint of this project"),
        ([1, 2], "not a checkpoint of this project"),
        ({"state_dict": {}, "class_names": ["a"]}, "trained in Python"),
        ({"state_dict": [], "class_names": ["a"]}, "damaged checkpoint: its state_dict are a list"),
        ({"state_dict": {}, "class_names": ["a"], "hyper_parameters": 7}, "damaged checkpoint"),
        ({"state_dict": {}, "class_names": ["a"], "hyper_parameters": {"_class_path": 7}}, "cannot be made"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(content, message, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        Path("bad.ckpt").write_bytes(content)
    elif content is not None:
        torch.save(content, "bad.ckpt", pickle_module=pickle)
    with pytest.raises(CheckpointError, match=message) as caught:
        load("bad.ckpt")
    assert "bad.ckpt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("executed").exists()


def altered(checkpoint: Path, path: Path, key: str, value: object) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"][key] = value
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("head", "subprocess.check_call"),  # called with the class names, which the file has written too
        ("head", {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "executed"]}}),
        ("head", {"class_path": "torch.os.system", "init_args": {"command": "touch executed"}}),
        ("head", "wtal.commands.main.os.system"),
        ("head", {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"weights": "os.getcwd"}}),
        ("head", "{class_path: subprocess.Popen, init_args: {args: [touch, executed]}}"),  # read as YAML
        ("head", " subprocess.check_call "),
        ("head", "'subprocess.check_call'"),
        ("head", ["subprocess.check_call"]),
        ("optimizer", "builtins.exec"),
        ("_class_path", "subprocess.Popen"),
        ("_class_path", "torch.hub.load"),
    ],
)
def test_settings_in_a_checkpoint_call_nothing_untrusted(key, value, trained, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = altered(trained("cbp").checkpoint, tmp_path / "bad.ckpt", key, value)
    content = torch.load(bad, weights_only=True)
    content["class_names"] = ["touch", "executed"]
    torch.save(content, bad)
    with pytest.raises(CheckpointError, match=r"bad.ckpt names \S+, not a class of this project"):
        load(bad)
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("head", "exec"),
        ("head", 3),
        ("no_such_option", 1),
        ("_class_path", "x.Y"),
        ("head", {"class_path": "AttentionMILHead", "init_args": {"in_dim": -3}}),
    ],
)
def test_settings_that_make_no_model_are_refused(key, value, trained, tmp_path: Path):
    with pytest.raises(CheckpointError, match="cannot be made from its settings"):
        load(altered(trained("cbp").checkpoint, tmp_path / "bad.ckpt", key, value))


def test_settings_that_are_nested_too_deep_are_refused(trained, tmp_path: Path):
    nested: list[object] = []
    for _ in range(1000):
        nested = [nested]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * limit)  # only to write it
    try:
        path = altered(trained("cbp").checkpoint, tmp_path / "bad.ckpt", "head", nested)
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(CheckpointError, match=r"bad\.ckpt is a damaged checkpoint: its settings are nested too deep"):
        load(path)


@pytest.mark.parametrize("depth", [10**400, 10**7], ids=["endless", "many"])
def test_a_tower_of_tiny_layers_is_not_built(depth, trained, tmp_path: Path):
    path = trained("vlp").checkpoint
    head = torch.load(path, weights_only=True)["hyper_parameters"]["head"]
    head["init_args"] |= {"width": 8, "heads": 2, "depth": depth}
    with little_time_and_room(), pytest.raises(CheckpointError, match="much larger weights than it has"):
        load(altered(path, tmp_path / "bad.ckpt", "head", head))


@pytest.mark.parametrize(
    "data", ["{class_path: subprocess.Popen, init_args: {args: [touch, executed]}}", "evil.yaml", "[]"]
)
def test_a_hostile_configuration_beside_it_runs_nothing(data, trained, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(trained("cbp").checkpoint, tmp_path)
    Path("evil.yaml").write_text("{class_path: subprocess.Popen, init_args: {args: [touch, executed]}}")
    Path("config.yaml").write_text(f"data: {data}\n")
    run = load(tmp_path)
    with pytest.raises(WTALError, match=r"config\.yaml"):
        _ = run.data
    assert not Path("executed").exists()


def test_own_heads_load_if_their_package_is_trusted(trained, tmp_path: Path, monkeypatch):
    (tmp_path / "my_heads.py").write_text(
        "from wtal.nn.heads import AttentionMILHead\nclass MyHead(AttentionMILHead):\n    '''Mine.'''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    head = {"class_path": "my_heads.MyHead", "init_args": {"in_dim": 64, "hidden": 16}}
    path = altered(trained("cbp").checkpoint, tmp_path / "mine.ckpt", "head", head)
    with pytest.raises(CheckpointError, match=r"names my_heads.MyHead.*name its package in `trust`"):
        load(path)
    assert "my_heads" not in sys.modules
    assert type(load(path, trust=["my_heads"]).model.head).__name__ == "MyHead"
    sys.modules.pop("my_heads")


def test_the_package_offers_it_without_importing_anything_before():
    code = "import sys, wtal; assert 'torch' not in sys.modules and {'load', 'plot'} <= set(dir(wtal))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(wtal.__file__).parents[1])
    assert wtal.load is load
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = wtal.laod
