from collections.abc import Callable
from pathlib import Path

import jsonargparse
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from wtal.errors import ConfigError
from wtal.nn.heads import Head, TextHead
from wtal.nn.text.prompts import FileText, PromptedText, TemplateText, TextSource, nearest_words, readable

CLASSES = ["BaseballPitch", "CleanAndJerk", "Diving", "HighJump", "ThrowDiscus"]
MODELS = ["tiny-clip", "tiny-custom-causal", "tiny-custom", "tiny-coca"]


def plain_features(text: PromptedText) -> torch.Tensor:
    """One class at a time through the whole tower: `open_clip`'s own modules, with the context inserted by hand."""
    tower = text._tower[0]
    rows = []
    for c, name in enumerate(text.class_names):
        ids = tower.tokenizer([" ".join([*["x"] * 16, readable(name), *["x"] * 16])])
        start = int(tower.tokenizer(["a"])[0, 0] == tower.tokenizer(["b"])[0, 0])
        words = len(readable(name).split())
        context = text.context[c if len(text.context) > 1 else 0]

        def put(module, inputs, embedded, start=start, words=words, context=context):
            middle = embedded[0, start + 16 : start + 16 + words]
            rest = embedded[0, start + 32 + words :]
            return torch.cat([embedded[0, :start], context[:16], middle, context[16:], rest])[None]

        hook = tower.text.token_embedding.register_forward_hook(put)
        rows.append(tower.model.encode_text(ids)[0])
        hook.remove()
    return F.normalize(torch.stack(rows), dim=1)


def gradient(text: PromptedText, features: torch.Tensor) -> torch.Tensor:
    """Gradient of a loss that weights every entry of the features differently."""
    target = torch.linspace(-1, 1, features.numel()).sin().view_as(features)
    (found,) = torch.autograd.grad((features * target).sum(), text.context)
    return found


@pytest.mark.parametrize("chunk", [1, 2, 8])
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_features_and_gradients_are_those_of_one_class_at_a_time(config, model, per_class, checkpointed, chunk):
    text = PromptedText(CLASSES, config(model), "random", per_class=per_class, checkpointed=checkpointed, chunk=chunk)
    assert text.context.shape == (5 if per_class else 1, 32, 32)
    torch.testing.assert_close(text(), plain_features(text), rtol=0, atol=1e-6)
    text.double()._tower[0].model.double()
    features, expected = text(), plain_features(text)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(gradient(text, features), gradient(text, expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_a_context_of_word_embeddings_is_the_sentence_of_these_words(config, model):
    text = PromptedText(["HighJump"], config(model), "random", prefix=4, postfix=2)
    tower = text._tower[0]
    words = "a video of the", "in sports"
    start = text.places[0, 0]
    ids = torch.cat([tower.tokenizer([w])[0, start : start + n] for w, n in zip(words, (4, 2), strict=True)])
    text.context.data[0] = tower.text.token_embedding(ids)
    expected = tower.model.encode_text(tower.tokenizer(["a video of the high jump in sports"]))
    torch.testing.assert_close(text(), F.normalize(expected, dim=1), rtol=0, atol=1e-6)


def test_prompts_without_prefix_or_postfix(config):
    for prefix, postfix in ((0, 4), (4, 0), (0, 0)):
        text = PromptedText(CLASSES, config("tiny-clip"), "random", prefix=prefix, postfix=postfix)
        one = PromptedText(CLASSES[1:2], config("tiny-clip"), "random", prefix=prefix, postfix=postfix)
        one.load_state_dict(text.state_dict())
        torch.testing.assert_close(one(), text()[1:2], rtol=0, atol=1e-6)


def test_only_the_context_is_trained_and_saved(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random")
    assert list(text.state_dict()) == ["context"]
    assert [name for name, _ in text.named_parameters()] == ["context"]
    assert text.note == "text: tiny-clip (random weights)"
    assert text.dim == 32


def test_a_checkpoint_finds_the_same_random_tower_again(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random")
    again = PromptedText(CLASSES, config("tiny-clip"), "random")
    assert not torch.equal(again(), text())
    again.load_state_dict(text.state_dict())
    assert torch.equal(again(), text())


def test_features_are_kept_until_the_context_changes(config, monkeypatch):
    text = PromptedText(CLASSES, config("tiny-clip"), "random")
    runs = []
    encode = text._encode
    monkeypatch.setattr(text, "_encode", lambda checkpointed: runs.append(1) or encode(checkpointed))
    with torch.no_grad():
        first = text()
        assert text() is first
        assert len(runs) == 1
        text.context.data += 1  # as an optimizer does, without notice
        changed = text()
        assert len(runs) == 2
        other = functional_call(text, {"context": text.context - 1}, ())
    torch.testing.assert_close(other, first, rtol=0, atol=1e-5)
    assert not torch.equal(changed, first)


def test_features_cached_in_inference_mode_work_in_a_training_step(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random").requires_grad_(False)
    with torch.inference_mode():
        text()
    weight = torch.ones(32, requires_grad=True)
    (text() * weight).sum().backward()
    torch.testing.assert_close(weight.grad, text().sum(dim=0))


def test_autocast_to_bfloat16(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random")
    exact = text()
    with torch.autocast("cpu", torch.bfloat16):
        coarse = text()
        gradient(text, coarse)
        with torch.no_grad():
            text()
    torch.testing.assert_close(coarse.float(), exact, rtol=0, atol=0.03)
    with torch.no_grad():
        torch.testing.assert_close(text(), exact, rtol=0, atol=1e-6)  # not what autocast left


@pytest.mark.parametrize("model", ["tiny-clip", "tiny-custom"])
def test_a_prompt_that_is_too_long(config, model):
    space = {"tiny-clip": 75, "tiny-custom": 62}[model] - 3  # without start, end and name
    PromptedText(["CleanAndJerk"], config(model), "random", prefix=space - 1, postfix=1)
    with pytest.raises(ConfigError, match=r"The prompt of 'clean and jerk' with \d+ \+ 2 context vectors is longer"):
        PromptedText(["Diving", "CleanAndJerk"], config(model), "random", prefix=space, postfix=2)


def test_vanilla_prompts_are_the_hand_written_ones(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random")
    assert torch.equal(text.vanilla()(), TemplateText(CLASSES, config("tiny-clip"), "random")())


@pytest.mark.parametrize("model", MODELS)
def test_templates_are_averaged(config, model):
    templates = ["a photo of {}.", "{}"]
    text = TemplateText(["HighJump", "Diving"], config(model), "random", templates)
    tower = PromptedText(["a"], config(model), "random")._tower[0]
    sentences = [["a photo of high jump.", "high jump"], ["a photo of diving.", "diving"]]
    for row, pair in zip(text(), sentences, strict=True):
        features = F.normalize(tower.model.encode_text(tower.tokenizer(pair)), dim=1)
        torch.testing.assert_close(row, F.normalize(features.mean(dim=0), dim=0), rtol=0, atol=1e-6)
    assert text.vanilla() is text
    assert not list(text.parameters())


@pytest.mark.parametrize("templates", [[], ["a photo of {}.", "a photo"]])
def test_templates_that_name_no_class(config, templates):
    with pytest.raises(ConfigError, match=r"`templates` must be sentences with \{\} for the class name"):
        TemplateText(CLASSES, config("tiny-clip"), "random", templates)


# A file -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "text.npy", np.array([[3.0, 4], [0, 2], [1, 0]], dtype=np.float32))
    (tmp_path / "classes.txt").write_text("Diving\nHighJump\nCleanAndJerk\n")
    return tmp_path / "text.npy"


def test_rows_of_a_file_follow_the_class_names(file):
    text = FileText(["CleanAndJerk", "Diving"], file)
    torch.testing.assert_close(text(), torch.tensor([[1.0, 0], [0.6, 0.8]]))
    assert text.dim == 2


def test_without_a_list_of_classes_rows_are_in_the_order_of_the_data(file):
    file.with_name("classes.txt").unlink()
    torch.testing.assert_close(FileText(["a", "b", "c"], file)()[1], torch.tensor([0.0, 1]))
    with pytest.raises(ConfigError, match=r"text\.npy has 3 rows for 2 classes"):
        FileText(["a", "b"], file)


def test_a_residual_changes_each_class_separately(file):
    text = FileText(["Diving", "HighJump"], file, residual=0.5)
    text.residual.data[0] = torch.tensor([2.0, -1.6])  # (0.6, 0.8) + 0.5 (2, -1.6) = (1.6, 0)
    torch.testing.assert_close(text(), torch.tensor([[1.0, 0], [0, 1]]))
    torch.testing.assert_close(text.vanilla()()[0], torch.tensor([0.6, 0.8]))
    assert not list(text.vanilla().parameters())
    assert not list(FileText(["Diving"], file, residual=0).parameters())


def test_a_checkpoint_does_not_need_the_file(file):
    text = FileText(["Diving", "HighJump"], file)
    text.residual.data += 1
    file.unlink()
    with pytest.raises(ConfigError, match=r"text\.npy cannot be read .*give the path"):
        FileText(["Diving", "HighJump"], file)
    held = FileText(["Diving", "HighJump"], None, dim=2)
    with pytest.raises(ConfigError, match=r"no text features: give the `path`"):
        held()
    held.load_state_dict(text.state_dict())
    assert torch.equal(held(), text())
    torch.testing.assert_close(held.vanilla()(), torch.tensor([[0.6, 0.8], [0, 1]]))


def test_a_class_that_the_file_lacks(file):
    with pytest.raises(ConfigError, match=r"classes\.txt lacks the class 'GolfSwing' of the data"):
        FileText(["Diving", "GolfSwing"], file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones(3), r"has float64 of shape \(3,\)"),
        (np.full((3, 2), np.nan), "finite"),
        (np.array([["a", "b"]] * 3), "has <U1"),
        (np.array([{}, {}, {}]), "cannot be read"),
    ],
)
def test_a_file_that_holds_no_text_features(file, content, message):
    np.save(file, content, allow_pickle=True)
    with pytest.raises(ConfigError, match=message):
        FileText(["Diving"], file)


def test_an_empty_file(file):
    file.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be read"):
        FileText(["Diving"], file)


# From YAML ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def parser() -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--text", type=Callable[[list[str]], TextSource], default=PromptedText)
    return parser


def test_a_source_from_a_class_path_and_its_arguments(parser, config, file):
    given = {"class_path": "wtal.nn.text.FileText", "init_args": {"path": str(file), "residual": 0}}
    text = parser.instantiate(parser.parse_object({"text": given})).text(["HighJump"])
    torch.testing.assert_close(text(), torch.tensor([[0.0, 1]]))
    arguments = ["--text.pretrained=random", "--text.prefix=2", "--text.model", config("tiny-clip")]
    text = parser.instantiate(parser.parse_args(["--text=PromptedText", *arguments])).text(["HighJump"])
    assert text.context.shape == (1, 18, 32)


def test_a_head_has_learned_prompts_by_default(config):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--head", type=Callable[[list[str]], Head], default=TextHead)
    arguments = ["--head.text.model", config("tiny-clip"), "--head.text.pretrained=random", "--head.dim=32"]
    head = parser.instantiate(parser.parse_args(arguments)).head(["HighJump", "Diving"])
    assert isinstance(head.text, PromptedText)
    assert head.text().shape == (2, 32)


def test_a_misspelt_argument(parser):
    with pytest.raises(jsonargparse.ArgumentError, match="prefixx"):
        parser.parse_args(["--text=PromptedText", "--text.prefixx=2"])


# Words --------------------------------------------------------------------------------------------------------------


def test_nearest_words_of_a_context_made_of_words(config):
    text = PromptedText(CLASSES, config("tiny-clip"), "random", prefix=1, postfix=1)
    tower = text._tower[0]
    ids = tower.tokenizer(["jumping sports"])[0, 1:3]
    text.context.data[0] = tower.text.token_embedding(ids) + 1e-4
    words = nearest_words(text, 2)
    assert [word[0][0] for word in words] == ["jumping", "sports"]
    assert all(best[1] <= second[1] for best, second in words)
    assert len(nearest_words(PromptedText(CLASSES, config("tiny-clip"), "random", 1, 1, per_class=True))) == 10
