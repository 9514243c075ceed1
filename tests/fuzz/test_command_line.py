"""The command line takes the same attacks with exit code 2 and one line, or it has a result."""

from pathlib import Path

import pytest
from fuzz.attacks import ATTACKS
from fuzz.kinds import KINDS

from wtal.commands.main import main

COMMANDS = {
    "evaluate": ("predictions.json", "found.json", "evaluate found.json --annotations truth.json --per-class"),
    "evaluate a table": ("predictions.csv", "found.csv", "evaluate found.csv --annotations truth.json --output a.csv"),
    "evaluate against": ("predictions.json", "truth.json", "evaluate found.json --annotations truth.json"),
    "analyze": ("predictions.json", "found.json", "analyze found.json --annotations truth.json"),
    "report": ("run folder", "about.json", "report . --output page"),
    "report scores": ("run folder", "scores/cbp.npz", "report . --output page"),
    "report metrics": ("run folder", "metrics.csv", "report . --output page"),
    "table": ("records", "0/record.json", "table ."),
    "table of a comparison": ("comparison", "comparison.csv", "table ."),
    "sweep": ("sweep", "sweep.yaml", "sweep sweep.yaml --output out"),
    "plot": ("checkpoint", "last.ckpt", "plot qualitative last.ckpt --videos video_a --output a.png"),
    "simulate": ("annotations.json", "truth.json", "simulate --annotations truth.json --output out --params.i3d.dim 8"),
    "data check": ("configuration of a run", "config.yaml", "data check config.yaml"),
}
REFUSED = {"nothing", "no text", "another kind", "NUL", "a call in a checkpoint", "lists in lists"}


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, list[str]]:
    try:
        code = main(words.split())
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    return code, capsys.readouterr().err.splitlines()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_attack_is_one_line(command, tmp_path: Path, monkeypatch, capsys) -> None:
    kind, name, words = COMMANDS[command]
    monkeypatch.chdir(tmp_path)
    for title, (endings, attack) in ATTACKS.items():
        if not name.endswith(endings) or (command == "sweep" and title not in REFUSED):
            continue  # a sweep that is one would begin
        KINDS[kind].write(tmp_path)
        attack(tmp_path / name, tmp_path / "canary")
        code, lines = run(capsys, words)
        assert code in (0, 2), title
        errors = [line for line in lines if line.startswith("wtal: error: ")]
        assert len(errors) == (code == 2), (title, lines)
        assert code == 2 or title not in REFUSED or name == "metrics.csv", title  # a run may have logged nothing
        assert not [line for line in lines if "Traceback" in line]
        assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("label", ["[/red]", "[bold]run[/bold]", "\x1b[2J", "a\nb", "../run", "{0}%s"])
@pytest.mark.parametrize("ending", ["md", "json", "csv"])
def test_names_out_of_files_are_shown_as_they_are(label, ending, tmp_path: Path, monkeypatch, capsys) -> None:
    """Neither markup nor commands of a terminal, in tables and in what is written."""
    monkeypatch.chdir(tmp_path)
    text = {"database": {label: {"subset": "test", "annotations": [{"segment": [0, 2], "label": label}]}}}
    KINDS["annotations.json"].files["truth.json"][1](tmp_path / "truth.json", text)
    found = {"results": {label: [{"label": label, "score": 0.5, "segment": [0, 1.5]}]}}
    KINDS["annotations.json"].files["truth.json"][1](tmp_path / "found.json", found)
    words = f"evaluate found.json --annotations truth.json --per-class --output a.{ending}"
    assert run(capsys, words)[0] == 0
    assert (tmp_path / f"a.{ending}").is_file()
    assert run(capsys, "report found.json --annotations truth.json --output page")[0] == 0
    assert main(["analyze", "found.json", "--annotations", "truth.json", "--output", "why"]) == 0
    out = capsys.readouterr().out
    assert "\x1b[2J" not in out


def test_half_a_character_is_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("found.json").write_text('{"results": {"v": [{"label": "\\ud800", "score": 0.5, "segment": [0, 1]}]}}')
    Path("truth.json").write_text(
        '{"database": {"v": {"subset": "test", "annotations": [{"segment": [0, 1], "label": "run"}]}}}'
    )
    code, lines = run(capsys, "evaluate found.json --annotations truth.json")
    assert code == 2
    assert "holds half of a surrogate pair" in lines[-1]
