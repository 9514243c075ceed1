"""Answers that are given again are those that would be given anew."""

from pathlib import Path

import pytest
from jsonargparse import Namespace
from pytorch_lightning import LightningModule
from pytorch_lightning.cli import LightningArgumentParser

from wtal.training.remembering import RememberingParser
from wtal.training.settings import SettingsParser

HEAD = {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"in_dim": 8, "hidden": 4}}
VLP = {"class_path": "wtal.branches.VLPBranch"}
MODELS = [
    {"class_path": "wtal.branches.CBPBranch", "init_args": {"class_names": ["a"], "head": HEAD, "average": average}}
    for average in (0, 0.0, 0.5, -0.0)
]
MODELS += [
    {"class_path": "wtal.collaboration.CollaborationModule", "init_args": {"class_names": ["a"], **branches}}
    for branches in ({}, {"vlp": VLP})
]


@pytest.fixture
def asked(monkeypatch):
    """The questions that reach jsonargparse."""
    questions = []
    answer = LightningArgumentParser.parse_object

    def ask(self, *args, **kwargs):
        questions.append(args)
        return answer(self, *args, **kwargs)

    monkeypatch.setattr(LightningArgumentParser, "parse_object", ask)
    return questions


def parsed(model, parser_class=SettingsParser):
    parser = parser_class(parser_mode="wtal", exit_on_error=False)
    parser.add_subclass_arguments(LightningModule, "model")
    settings = parser.parse_object({"model": model})
    return repr(settings), parser.dump(settings)


class Plain(SettingsParser):
    """As if nothing were remembered."""

    parse_object = LightningArgumentParser.parse_object
    dump = LightningArgumentParser.dump


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["init_args"].get("average")))
def test_the_second_answer_is_the_first_and_that_of_jsonargparse(model):
    assert parsed(model) == parsed(model) == parsed(model, Plain)


def test_nothing_nested_is_asked_twice(asked):
    parsed(MODELS[2])
    del asked[:]
    parsed(MODELS[2])
    assert len(asked) == 1  # by the new parser, of the whole


def test_nothing_nested_is_written_twice(monkeypatch):
    written = []
    write = LightningArgumentParser.dump
    monkeypatch.setattr(
        LightningArgumentParser, "dump", lambda *args, **kwargs: written.append(1) or write(*args, **kwargs)
    )
    text = parsed(MODELS[2])
    del written[:]
    assert parsed(MODELS[2]) == text
    assert len(written) == 1  # by the new parser, of the whole


def test_an_answer_that_its_asker_changes_is_given_unchanged():
    parser = RememberingParser(exit_on_error=False)
    parser.add_argument("--sizes", type=list[int], default=[])
    first = parser.parse_object({"sizes": [1, 2]})
    first.sizes.append(3)
    assert parser.parse_object({"sizes": [1, 2]}) == Namespace(sizes=[1, 2])


@pytest.mark.parametrize(
    "value", ["part.yaml", "my_heads.Head", {"class_path": "Head"}, {"class_path": "toy.Head"}, object()]
)
def test_what_may_change_is_asked_each_time(asked, value):
    parser = RememberingParser(exit_on_error=False)
    parser.add_argument("--value")
    for _ in range(2):
        parser.parse_object({"value": value})
    assert len(asked) == 2


@pytest.mark.parametrize(("made", "count"), [("here", 2), ("elsewhere", 1)])
def test_a_file_that_a_text_names_is_part_of_the_question(asked, tmp_path, monkeypatch, made, count):
    """It may hold settings, and another one of its name may lie in another working directory."""
    (tmp_path / made).write_text("{}")
    parser = RememberingParser(exit_on_error=False)
    parser.add_argument("--path", type=Path)
    for folder in (tmp_path, Path(__file__).parent, tmp_path):
        monkeypatch.chdir(folder)
        parser.parse_object({"path": "here"})
    assert len(asked) == count


def test_answers_are_bounded(asked, monkeypatch):
    monkeypatch.setattr("wtal.training.remembering._MOST_ANSWERS", 3)
    parser = RememberingParser(exit_on_error=False)
    parser.add_argument("--number", type=int)
    for number in range(8):
        assert parser.parse_object({"number": number}).number == number
        assert len(parser._answers) <= 3
