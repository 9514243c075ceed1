"""Which branch is started again, and when, without any process."""

from pathlib import Path

import pytest

from wtal.errors import ConfigError
from wtal.results.run_folder import RunFolder
from wtal.training import asynchronous
from wtal.training.asynchronous import supervise


class Scripted:
    """A training that ends at the first question, as it is told to."""

    def __init__(self, ending: str | None, ended: list[str], name: str) -> None:
        self._ending, self._ended, self.name = ending, ended, name

    def ending(self) -> str | None:
        if self._ending == "hopeless":
            raise ConfigError("hopeless")
        return self._ending

    def end(self) -> None:
        self._ended.append(self.name)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "_POLL_S", 0.0)
    monkeypatch.setattr(asynchronous, "_BACK_OFF_S", 0.0)


def supervised(folder: Path, script: dict[str, list[str | None]]) -> tuple[list[str], list[str]]:
    """The branches in the order in which they were started, and those that were ended."""
    started: list[str] = []
    ended: list[str] = []

    def start(name: str) -> Scripted:
        started.append(name)
        return Scripted(script[name].pop(0), ended, name)

    supervise(RunFolder(folder), list(script), start=start)
    return started, ended


def test_a_lost_branch_is_started_again_until_it_is_trained(tmp_path, capsys):
    started, ended = supervised(tmp_path, {"cbp": ["was lost", "was lost", ""], "vlp": [""]})
    assert sorted(started) == ["cbp", "cbp", "cbp", "vlp"]
    assert ended == []
    assert capsys.readouterr().err.count("cbp was lost; it starts again from its last checkpoint") == 2


def test_the_pause_doubles_with_each_failure_in_a_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(asynchronous, "_BACK_OFF_S", 0.001)
    supervised(tmp_path, {"cbp": ["was lost"] * 3 + [""]})
    pauses = [line.rsplit(" in ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert pauses == ["0.001 s.", "0.002 s.", "0.004 s."]


def test_a_branch_that_never_gets_on_ends_the_training_and_the_other_branch(tmp_path):
    ended: list[str] = []
    with pytest.raises(ConfigError, match=r"cbp has died 9 times in a row \(it said nothing\)"):
        supervise(
            RunFolder(tmp_path),
            ["cbp", "vlp"],
            start=lambda name: Scripted("was lost" if name == "cbp" else None, ended, name),
        )
    assert ended == ["vlp"]


def test_a_mistake_is_not_tried_again(tmp_path):
    started: list[str] = []
    with pytest.raises(ConfigError, match="hopeless"):
        supervise(
            RunFolder(tmp_path), ["cbp"], start=lambda name: started.append(name) or Scripted("hopeless", [], name)
        )
    assert started == ["cbp"]
