import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from wtal import __version__
from wtal.commands.main import commands, main


@pytest.fixture(autouse=True)
def _restore_ctrl_c():
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def run(*words: str) -> int:
    try:
        return main(words)
    except SystemExit as stop:  # argparse leaves by itself
        return stop.code if isinstance(stop.code, int) else 1


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wtal: error: ")]
    assert len(lines) == 1
    return lines[0]


# The overview ----------------------------------------------------------------------------------------------------


def test_help_imports_neither_torch_nor_pandas():
    code = (
        "import sys; from wtal.commands.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'torch', 'pytorch_lightning', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
    for command, text in commands().items():
        assert f"\n    {command}" in out
        assert text[:20] in out


def test_runs_as_a_module_and_says_its_version():
    out = subprocess.run([sys.executable, "-m", "wtal", "--version"], capture_output=True, text=True, check=True).stdout
    assert out == f"wtal {__version__}\n"


def test_without_a_command_it_shows_help(capsys):
    assert run() == 0
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["fitt", "plot", "main", "options", "data"])
def test_unknown_command(word, capsys):
    assert run(word) == 2
    assert f"invalid choice: '{word}'" in only_line(capsys)


@pytest.mark.parametrize("command", ["evaluate", "table", "report", "data check", "compare"])
def test_a_command_without_a_word_names_what_it_needs(command, capsys):
    assert run(*command.split()) == 2
    assert "require" in only_line(capsys)


@pytest.mark.parametrize("command", sorted(commands().keys() - {"validate", "predict"}))  # these two are as test
def test_every_command_explains_itself(command, capsys):
    assert run(*command.split(), "--help") == 0
    assert f"usage: wtal {command}" in capsys.readouterr().out.replace("[options] ", "")


# Lightning's commands --------------------------------------------------------------------------------------------


def test_a_run_leaves_its_folder_and_can_be_tested(toy: Path):
    assert run("fit", "-c", str(toy), "--name", "mine") == 0
    folder = Path("runs/mine/version_0")
    assert {p.name for p in folder.iterdir()} >= {"config.yaml", "metrics.csv", "checkpoints"}
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
    for command in ("validate", "test", "predict"):
        assert run(command, "-c", f"{folder}/config.yaml", f"--ckpt_path={folder}/checkpoints/last.ckpt") == 0
    assert yaml.safe_load((folder / "config.yaml").read_text())["name"] == "mine"


def test_configurations_compose_and_options_come_last(toy: Path, capsys):
    Path("wide.yaml").write_text("model: {init_args: {width: 16}}\ntrainer: {max_epochs: 7}\n")
    assert run("fit", "-c", str(toy), "--config", "wide.yaml", "--trainer.max_epochs=9", "--print_config") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["init_args"] == {"width": 16, "lr": 0.1, "interrupt": False}
    assert config["trainer"]["max_epochs"] == 9
    assert config["trainer"]["accelerator"] == "cpu"


def test_printed_configuration_is_complete(toy: Path, capsys):
    run("fit", "-c", str(toy), "--print_config")
    printed = capsys.readouterr().out
    Path("printed.yaml").write_text(printed)
    run("fit", "-c", "printed.yaml", "--print_config")
    assert capsys.readouterr().out == printed
    config = yaml.safe_load(printed)
    assert config["seed_everything"] == 0
    assert config["trainer"]["use_distributed_sampler"] is False
    assert config["data"]["init_args"] == {"classes": 3, "workers": 0, "broken": False}


def test_own_classes_are_found_in_the_current_folder(toy: Path, capsys, monkeypatch):
    Path("own_model.py").write_text("from toy import ToyModel\n\n\nclass Own(ToyModel): ...\n")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ("", str(Path.cwd()))])
    assert run("fit", "-c", str(toy), "--model=own_model.Own", "--print_config") == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["class_path"] == "own_model.Own"


def test_settings_come_from_the_configuration_not_from_the_checkpoint(toy: Path, capsys):
    run("fit", "-c", str(toy), "--name", "slow", "--model.init_args.lr=0.01")
    capsys.readouterr()
    run("test", "-c", str(toy), "--name", "again", "--ckpt_path=runs/slow/version_0/checkpoints/last.ckpt")
    assert yaml.safe_load(Path("runs/again/version_0/config.yaml").read_text())["model"]["init_args"]["lr"] == 0.1


def test_a_resumed_run_ends_as_an_uninterrupted_one(toy: Path):
    run("fit", "-c", str(toy), "--name=whole", "--trainer.max_epochs=4")
    run("fit", "-c", str(toy), "--name=begun", "--trainer.max_epochs=2")
    begun = "runs/begun/version_0/checkpoints/last.ckpt"
    run("fit", "-c", str(toy), "--name=resumed", "--trainer.max_epochs=4", f"--ckpt_path={begun}")
    whole, resumed = (
        torch.load(f"runs/{name}/version_0/checkpoints/last.ckpt")["state_dict"] for name in ("whole", "resumed")
    )
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_tensorboard_by_one_option(toy: Path):
    assert run("fit", "-c", str(toy), "--logger=tensorboard", "--name=tb") == 0
    assert list(Path("runs/tb/version_0").glob("events.out.tfevents*"))
    assert Path("runs/tb/version_0/config.yaml").is_file()


@pytest.fixture
def command(toy: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """``wtal fit`` of the toy model as a process of its own."""
    tests = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{tests.parent}")
    return [sys.executable, "-m", "wtal", "fit", "-c", str(toy), "--name=own"]


@pytest.mark.slow
def test_wandb_offline_by_one_option(command: list[str]):
    """A process of its own: wandb's service, named in the environment, keeps the folder that it was started in."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    words = [*command[:-1], "--logger=wandb"]
    subprocess.run(words, check=True, capture_output=True, env=env | {"WANDB_MODE": "offline"})
    assert list(Path("runs/wandb").glob("offline-run-*/run-*.wandb"))
    assert len(list(Path("runs/wtal").glob("*/config.yaml"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("logger", ["--logger=csv", "--trainer.logger=false"])
def test_two_processes_share_one_folder_and_resume_in_it(command: list[str], logger: str):
    words = [*command, logger, "--trainer.devices=2", "--trainer.strategy=ddp", "--resume=true"]
    for epochs in (1, 3):
        subprocess.run([*words, f"--trainer.max_epochs={epochs}"], check=True, timeout=120)
        assert [p.name for p in Path("runs").iterdir()] == ["own"]
        assert [p.name for p in Path("runs/own").iterdir()] == ["version_0"]
        assert torch.load("runs/own/version_0/checkpoints/last.ckpt")["epoch"] == epochs - 1
    assert json.loads(Path("runs/own/version_0/identity.json").read_text())["settings"]["processes"] == 2
    subprocess.run([*command, logger, "--resume=true"], check=True, timeout=120)  # one process is another run
    assert sorted(p.name for p in Path("runs/own").iterdir()) == ["version_0", "version_1"]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a short collaboration on a few made-up videos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return [
        "--config=synthetic.yaml",
        "--trainer.accelerator=cpu",
        "--trainer.max_epochs=3",
        "--trainer.enable_model_summary=false",
        "--model.schedule.warm_up=1",
        "--model.schedule.period=1",
        "--data.params.train_videos=12",
        "--data.params.test_videos=5",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "ddp_spawn", "ddp_fork"])
def test_the_collaboration_trains_in_two_processes_by_default(small: list[str], strategy: str):
    """A frozen branch in each process: by popen (``auto`` and ``ddp``), and as ``multiprocessing`` starts them."""
    words = [sys.executable, "-m", "wtal", "fit", *small, "--trainer.devices=2", "--then_test=true"]
    done = subprocess.run([*words, f"--trainer.strategy={strategy}"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "sync_dist" not in done.stderr
    folder = Path("runs/CollaborationModule/version_0")
    record = json.loads((folder / "record.json").read_text())
    assert record["processes"] == 2
    assert record["seconds"] > 0
    assert (folder / "pseudo_labels.npz").is_file()
    two = record["metrics"]
    test = ["test", *small, f"--ckpt_path={folder}", "--name=one"]  # what one process measures of the same weights
    assert run(*test) == 0
    assert_same_predictions(folder, Path("runs/one/version_0"))
    assert 0 < two["test/fused/mAP"] <= 1


def assert_same_predictions(one: Path, other: Path) -> None:
    for source in ("cbp", "vlp", "fused"):
        a, b = (json.loads((f / "predictions" / f"{source}.json").read_text())["results"] for f in (one, other))
        assert a.keys() == b.keys()
        assert len(a) == 5
        for video in a:
            assert [d["label"] for d in a[video]] == [d["label"] for d in b[video]]
            assert [d["segment"] for d in a[video]] == [pytest.approx(d["segment"], abs=1e-3) for d in b[video]]


@pytest.mark.parametrize(
    "words",
    [
        ["--trainer.barebones=true"],
        ["--trainer.fast_dev_run=true", "--then_test=true"],
    ],
    ids=lambda words: words[0],
)
def test_a_rehearsal_leaves_no_run(small: list[str], words: list[str]):
    assert run("fit", *small, *words) == 0
    assert [path.name for path in Path("runs").iterdir() if not path.name.startswith(".")] == ["synthetic"]


@pytest.mark.parametrize("bar", ["RichProgressBar", "TQDMProgressBar"])
def test_lightnings_progress_bars_take_the_place_of_ours(toy: Path, bar: str, capsys):
    assert run("fit", "-c", str(toy), f"--trainer.callbacks+={bar}") == 0
    assert "epoch 1/2" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_ctrl_c_exits_with_130_and_leaves_a_checkpoint(command: list[str]):
    with subprocess.Popen([*command, "--trainer.max_epochs=-1"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("epoch 3"))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert Path("runs/own/version_0/checkpoints/last.ckpt").is_file()


def test_a_logger_with_options_of_its_own(toy: Path):
    logger = "{class_path: CSVLogger, init_args: {save_dir: elsewhere, name: a, version: b}}"
    assert run("fit", "-c", str(toy), f"--trainer.logger={logger}") == 0
    assert Path("elsewhere/a/b/config.yaml").is_file()


# Mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("model: {init_args: {widht: 8}}", "bad.yaml: there is no option 'widht' of toy.ToyModel"),
        ("trainer: {max_epoch: 8}", "bad.yaml: there is no option 'trainer.max_epoch'"),
        ("modle: {init_args: {width: 8}}", "bad.yaml: there is no option 'modle.init_args.width'"),
        (
            "trainer: {precision: bf16-true}",
            "trainer.precision: bf16-true is too coarse for the losses",
        ),
        ("trainer: {max_epochs: many}", "bad.yaml: trainer.max_epochs: expected int, not 'many'."),
        ("model: {class_path: toy.ToyMdoel}", "module 'toy' has no attribute 'ToyMdoel'"),
        ("model: [", "bad.yaml is not valid YAML"),
        ("model: {init_args: {width: 0}}", "`width` must be at least 1, got 0."),
    ],
)
def test_a_wrong_configuration_is_one_sentence_that_names_the_file(content, expected, toy: Path, capsys):
    Path("bad.yaml").write_text(content + "\n")
    assert run("fit", "-c", str(toy), "-c", "bad.yaml") == 2
    assert expected in only_line(capsys)


def test_a_missing_configuration(toy: Path, capsys):
    assert run("fit", "-c", "none.yaml") == 2
    assert "none.yaml" in only_line(capsys)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_deep_inside_is_one_sentence(workers, toy: Path, capsys):
    assert run("fit", "-c", str(toy), "--data.broken=true", f"--data.workers={workers}") == 2
    assert only_line(capsys) == "wtal: error: Video v1 in v1.npy has NaN in row 3: extract it again."


def test_an_error_of_a_constructor_is_one_sentence(toy: Path, capsys):
    assert run("fit", "-c", str(toy), "--data.classes=0") == 2
    assert only_line(capsys) == "wtal: error: toy.csv names no class: add one."


def test_debug_shows_where(toy: Path, monkeypatch):
    with pytest.raises(Exception, match="row 3"):
        main(["fit", "-c", str(toy), "--data.broken=true", "--debug"])
    monkeypatch.setenv("WTAL_DEBUG", "1")
    with pytest.raises(Exception, match="row 3"):
        main(["fit", "-c", str(toy), "--data.broken=true"])


def test_ctrl_c_exits_with_130(toy: Path):
    assert run("fit", "-c", str(toy), "--model.init_args.interrupt=true") == 130


def test_a_checkpoint_of_other_classes(toy: Path, capsys):
    run("fit", "-c", str(toy), "--name=three")
    checkpoint = "--ckpt_path=runs/three/version_0/checkpoints/last.ckpt"
    assert run("test", "-c", str(toy), checkpoint, "--data.classes=5") == 2
    assert "2 weights of the checkpoint have other shapes, net.2.weight [3, 8] and not [5, 8]" in only_line(capsys)


class _Hostile:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("kind", ["hostile", "damaged", "missing"])
def test_a_checkpoint_that_cannot_be_loaded(kind, toy: Path, capsys):
    if kind == "hostile":
        torch.save({"state_dict": {}, "payload": _Hostile()}, "bad.ckpt", pickle_module=pickle)
    elif kind == "damaged":
        Path("bad.ckpt").write_bytes(b"PK\x03\x04 nothing more")
    assert run("test", "-c", str(toy), "--ckpt_path=bad.ckpt") == 2
    assert "heckpoint" in only_line(capsys)
    assert not Path("executed").exists()


def test_a_closed_pipe_is_no_error(tmp_path):
    (tmp_path / "truth.csv").write_text("video,start,end,label\na,0,1,run\n")
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,0,1,run,0.5\n")
    wtal = f'{sys.executable} -c "import sys; from wtal.commands.main import main; sys.exit(main())"'
    command = f"{wtal} evaluate found.csv --annotations truth.csv | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("words", "light"), [(["--help"], {"jsonargparse"}), (["evaluate", "--help"], set())])
def test_help_loads_nothing_heavy(words: list[str], light: set[str]):
    heavy = {"torch", "pytorch_lightning", "pandas", "numpy", "scipy", *light}
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print({heavy} & set(sys.modules)))\n"
        f"from wtal.commands.main import main\nmain({words})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.endswith("\nset()\n")
