"""Options of the project's own commands, in both spellings."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from jsonargparse import ArgumentError

from wtal.commands.options import call, with_shipped
from wtal.errors import ConfigError

Call = tuple[Path, Sequence[Path], int | None, bool]


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def run(calls: list[Call]):
    def run(
        first: Path, /, more_files: Sequence[Path] = (), how_many: int | None = None, then_test: bool = False
    ) -> None:
        """Do it.

        Args:
            first: A file.
            more_files: Others.
            how_many: A number.
            then_test: A switch.
        """
        calls.append((first, more_files, how_many, then_test))

    return lambda *words: call(run, "do it", "Do it.", words)


@pytest.mark.parametrize("switch", [["--then_test"], ["--then-test"], ["--then-test=true"], ["--then_test", "true"]])
@pytest.mark.parametrize("number", [["--how-many", "3"], ["--how_many=3"], ["--how-many=3"]])
@pytest.mark.parametrize("files", [["--more-files", "b", "c"], ["--more_files=b", "--more-files=c"]])
def test_both_spellings(files, number, switch, run, calls):
    run("a", *files, *number, *switch)
    assert calls == [(Path("a"), [Path("b"), Path("c")], 3, True)]


def test_defaults_and_a_switch_turned_off(run, calls):
    run("a", "--then-test", "false")
    assert calls == [(Path("a"), [], None, False)]


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "--how-many", "many"], ["a", "--no-such"]])
def test_what_does_not_fit_is_refused(words, run, calls):
    with pytest.raises(ArgumentError):
        run(*words)
    assert not calls


def test_a_place_may_be_left_empty_or_take_several_words():
    seen = []

    def optional(name: str | None = None, /) -> None:
        """Do it.

        Args:
            name: Of it.
        """
        seen.append(name)

    def several(files: Sequence[Path], /) -> None:
        """Do it.

        Args:
            files: All of them.
        """
        seen.append(files)

    call(optional, "do", "Do it.", [])
    call(optional, "do", "Do it.", ["a"])
    call(several, "do", "Do it.", ["a", "b"])
    assert seen == [None, "a", [Path("a"), Path("b")]]


def test_only_the_values_of_config_are_looked_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--name", "synthetic.yaml", "-c", "synthetic.yaml", "--config=configs/custom.yaml", "--config", "{a: 1}"]
    found = list(with_shipped(words))
    assert [Path(word).name for word in found] == [
        *("--name", "synthetic.yaml", "-c", "synthetic.yaml", "custom.yaml", "--config", "{a: 1}")
    ]
    assert found[:2] == words[:2]
    assert Path(found[3]).is_file()
    assert Path(found[4].removeprefix("--config=")).is_file()


def test_an_output_at_an_address_is_left_to_extract_and_refused_elsewhere(tmp_path):
    written = []

    def extract(*, output: Path) -> None:
        """Write.

        Args:
            output: Where to.
        """
        written.append(output)

    for given, place in (("s3://bucket/x", "s3:/bucket/x"), (f"file://{tmp_path}", f"file:{tmp_path}")):
        call(extract, "extract", "", ["--output", given])
        assert str(written[-1]) == place
    call(extract, "table", "", ["--output", f"file://{tmp_path}"])
    assert written[-1] == tmp_path
    with pytest.raises(ConfigError, match=r"^`wtal table` does not write to s3://bucket/x: give a folder as `--outp"):
        call(extract, "table", "", ["--output", "s3://bucket/x"])
    assert len(written) == 3
