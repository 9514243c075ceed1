"""Every shell line of README and documentation is executed, or parsed by the parser that would execute it."""

import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import MEASURED, ROOT, Block, blocks, shell_lines
from jsonargparse import ArgumentParser

from wtal.commands.main import commands, main
from wtal.io.shipped import shipped_configs
from wtal.training.cli import WTALCLI


def of_wtal(words: list[str]) -> tuple[str, ...]:
    """What follows ``wtal``, or an image of that name, on a line; empty if it does not run it."""
    if words[0] not in ("wtal", "uvx") and words[:2] != ["docker", "run"]:
        return ()
    begin = next(place for place, word in enumerate(words) if word in ("wtal", "wtal:cuda"))
    return tuple(re.sub(r"\$\w+", "x", word) for word in words[begin + 1 :])  # without variables of the shell


ALL = [*shell_lines("sh"), *shell_lines("sh", "bash", "", of=MEASURED)]
LINES = sorted({line for _, words in ALL if (line := of_wtal(words))})
TINY_CLIP = str(ROOT / "tests" / "nn" / "model_configs" / "tiny-clip.json")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, whose modules can be imported and are forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


# Parsed ----------------------------------------------------------------------------------------------------------


class Parsed(SystemExit):
    """All options were understood."""


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands stop when they have understood their options."""

    def stop(*args: object, **options: object) -> None:
        raise Parsed(0)

    monkeypatch.setattr(ArgumentParser, "instantiate", stop)
    monkeypatch.setattr(WTALCLI, "before_instantiate_classes", stop)


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_options_are_known(words: tuple[str, ...], only_parse: None, capsys: pytest.CaptureFixture[str]):
    for word in words:
        if word.endswith(".yaml") and word not in shipped_configs():  # the reader's own
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).write_text(shipped_configs()["custom.yaml"].read_text(encoding="utf-8"))
    more = ["--print_config"] if "--ckpt_path" in words else []  # whose file would be opened
    try:
        code: Any = main([*words, *more])
    except SystemExit as stop:
        code = stop.code
    assert code == 0, capsys.readouterr().err


def test_an_unknown_option_would_be_found(only_parse: None):
    assert main(["export", "found.json", "--output", "x", "--no-such-option", "1"]) == 2
    assert main(["fit", "-c", "synthetic.yaml", "--no_such_option", "1"]) == 2


def test_commands_that_are_named_exist():
    for _, words in shell_lines("sh", "bash", "console"):
        if words[0] == "wtal" and not words[1].startswith("-"):
            assert words[1] in commands() or " ".join(words[1:3]) in commands(), words


# Executed --------------------------------------------------------------------------------------------------------


def run_line(words: list[str]) -> None:
    """One line of a ``bash`` block."""
    if words[0] == "wtal":
        try:
            code: Any = main(words[1:])
        except SystemExit as stop:
            code = stop.code
        assert not code, words
    else:
        assert words[0] == "python", words
        runpy.run_path(words[1], run_name="__main__")


def write_files(name: str) -> None:
    """The files that a page asks the reader to write."""
    for block in blocks(name):
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")


def run_page(name: str) -> dict[str, Any]:
    """Do what a page says, in its order; the names that its Python blocks have defined."""
    names: dict[str, Any] = {}
    for block in blocks(name):
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            for line in block.lines():
                run_line(shlex.split(line, comments=True))
        elif block.language == "python":
            exec(compile(block.text, name, "exec"), names)
    return names


def executed(name: str) -> bool:
    return any(b.language in ("bash", "console") or (b.language == "python" and not b.title) for b in blocks(name))


def test_install():
    run_page("install.md")


@pytest.mark.slow
def test_own_features_and_a_task_of_ones_own(capsys: pytest.CaptureFixture[str]):
    names = run_page("own_features.md")
    assert "A training can run." in capsys.readouterr().out
    assert Path("page/index.html").is_file()
    assert set(names["found"]["label"]) == {"jump", "wave"}
    assert run_page("extend/task.md")["measured"]["mAP@0.1"] > 0.3
    assert "'0.1:0.7'" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("extend/head.md", ["mAP in % at tIoU", "MyHead("]),
        ("extend/data_set.md", ["A training can run.", "kitchen-p4-p5"]),
        ("extend/stream.md", ["A training can run.", "hand", "arm", "fused"]),
    ],
)
def test_extensions(name: str, said: list[str], capsys: pytest.CaptureFixture[str]):
    run_page(name)
    out = capsys.readouterr().out
    assert not [word for word in said if word not in out]


def outputs(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The command lines of a ``console`` block, each with the lines of its output."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, *output = part.splitlines()
        yield line, output


def alike(line: str, other: str, tolerance: float = 8.0) -> bool:
    """Whether two lines say the same: words are equal, numbers with a decimal point nearly so."""
    words, others = line.split(), other.split()
    number = re.compile(r"\d+\.\d+")
    return len(words) == len(others) and all(
        abs(float(a) - float(b)) <= tolerance if number.fullmatch(a) and number.fullmatch(b) else a == b
        for a, b in zip(words, others, strict=True)
    )


def check_console(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    for line, output in outputs(block):
        capsys.readouterr()
        words = shlex.split(line)
        main(words[1:])
        said = capsys.readouterr()
        lines = (said.out + said.err).splitlines()
        for expected in output:
            assert any(alike(expected, one) for one in lines), f"{line}\n{expected}\n{said.out}{said.err}"


@pytest.mark.slow
def test_messages_are_those_of_the_page(capsys: pytest.CaptureFixture[str]):
    write_files("own_features.md")
    runpy.run_path("make_up.py")
    found = [block for block in blocks("errors.md") if block.language == "console"]
    assert len(found) == 6
    for block in found:
        check_console(block, capsys)


@pytest.mark.slow
def test_the_command_and_the_python_of_the_readme(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    (block,) = [block for block in blocks("README.md") if block.language == "console"]
    check_console(block, capsys)
    run_page("README.md")
    assert "0.1:0.7" in capsys.readouterr().out
    assert main(["report", "runs/CollaborationModule/version_0", "--output", "page"]) == 0


@pytest.mark.slow
def test_own_videos_to_subtitles(place: Path, painted_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """The lines of the page, in their order, with random weights and small networks."""
    (place / "clips").mkdir()
    for name in ("one", "two", "three"):
        painted_video(place / "clips" / f"{name}.mp4", 60)
    small = {"trainer": {"max_epochs": 2, "accelerator": "cpu"}}
    prompts = {"init_args": {"model": TINY_CLIP, "pretrained": "random"}}
    heads = {"cbp": {"hidden": 8}, "vlp": {"text": prompts, "dim": 32, "width": 8, "heads": 2}}
    branches = {name: {"init_args": {"head": {"init_args": head}}} for name, head in heads.items()}
    small["model"] = {"init_args": {"schedule": {"warm_up": 1, "period": 1}, **branches}}
    quick = ["--random-weights", "--flow", "dis", "--workers", "1"]
    more = {"extract": [*quick, "--clip-model", TINY_CLIP], "detect": quick, "fit": ["-c", "small.yaml"]}
    done = []
    for block in [block for block in blocks("own_videos.md") if block.language == "sh"]:
        for line in block.lines():
            words = shlex.split(line, comments=True)
            if words[0] == "cd":
                monkeypatch.chdir(words[1])
                Path("small.yaml").write_text(yaml.safe_dump(small))
                Path("film.mp4").write_bytes((place / "clips" / "one.mp4").read_bytes())
            elif words[0] == "wtal" and "end_to_end.yaml" not in words and "adapted" not in words:
                zero_shot = ["--clip-model", TINY_CLIP] if "--labels" in words else []
                assert main([*words[1:], *more.get(words[1], []), *zero_shot]) == 0, line
                done.append(words[1])
                if words[1] == "init" and not (place / "mine" / "config.yaml").exists():
                    (place / "mine" / "labels.csv").write_text(
                        "video,label\none,open a door\ntwo,pour tea\nthree,pour tea\n"
                    )
    assert done == ["init", "init", "extract", "data", "fit", "detect", "detect", "detect", "export"]
    assert {path.stem for path in Path("detections").glob("*.vtt")} == {"one", "two", "three", "film"}
    assert Path("detections/one.vtt").read_text().startswith("WEBVTT")
    assert Path("exported").is_dir()


def test_every_page_that_can_be_executed_is():
    here = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in ("README.md", *PAGES_WITH_CODE) if f'"{name}"' not in here]


PAGES_WITH_CODE = [name for name in sorted({name for name, _ in shell_lines("bash", "console")}) if executed(name)]
