"""Prompts through the text tower of every family of models: with real words they are sentences, and all of it learns."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from families import OPEN_CLIP, TRANSFORMERS, make_open_clip, make_transformers
from wtal.errors import ConfigError
from wtal.nn.text import Calibration, ClipTextTower, PromptedText, TemplateText, TextTower, open_text_tower

pytest.importorskip("transformers", reason="needs `wtal[transformers]`")
ALL = (*OPEN_CLIP, *TRANSFORMERS)
LONGEST = "Hand car wash removing ice from car"  # longer than any name of ActivityNet, in words that all towers know
SENTENCES = ["a", "a video of a person doing the high jump", "clean and jerk"]
REAL_NAMES = [  # of ActivityNet 1.3, the longest by CLIP's tokens among them
    "Drum corps",
    "Rock-paper-scissors",
    "Tug of war",
    "Removing ice from car",
    "Doing a powerbomb",
    "Getting a haircut",
]
Make = Callable[[str], str]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a tiny model of a family, once."""
    root = tmp_path_factory.mktemp("families")

    @cache
    def made(name: str) -> str:
        return (make_transformers if name in TRANSFORMERS else make_open_clip)(root / name, name)

    return made


def weights(name: str) -> str:
    return "main" if name in TRANSFORMERS else "random"


@pytest.fixture(scope="module")
def towers(make: Make) -> Callable[[str], TextTower]:
    return cache(lambda name: open_text_tower(make(name), weights(name)))


def own_features(tower: TextTower, sentences: list[str]) -> Tensor:
    """Features of sentences as the model's library computes them, from its tokenizer to its projection."""
    if isinstance(tower, ClipTextTower):
        return F.normalize(tower.model.encode_text(tower.tokenizer(sentences)), dim=1)
    length = tower.model.config.get_text_config().max_position_embeddings
    inputs = tower.tokenizer(sentences, padding="max_length", max_length=length, return_tensors="pt")
    inputs = {name: inputs[name] for name in tower.tokenizer.model_input_names}
    if tower.model.config.model_type == "pe_video":
        hidden = tower.model.text_model(**inputs, output_hidden_states=True).hidden_states
        return F.normalize(tower.model.text_video_head(hidden[-1][:, 0]), dim=1)
    return F.normalize(tower.model.get_text_features(**inputs).pooler_output, dim=1)


@pytest.mark.parametrize("name", ALL)
def test_rows_are_those_of_the_models_own_tokenizer(towers, name):
    tower = towers(name)
    rows = [tower.tokens.row(tower.tokens.words(sentence)) for sentence in SENTENCES]
    assert torch.equal(torch.tensor(rows), tower.rows(SENTENCES))
    joined = tower.tokens.words("a video of the high jump")
    assert joined == tower.tokens.words("a video of") + tower.tokens.following("the high jump")


@pytest.mark.parametrize("name", ALL)
def test_features_are_those_of_the_library_one_by_one_and_together(towers, name):
    tower = towers(name)
    features = tower.encode(tower.tokenize(SENTENCES))
    torch.testing.assert_close(features, own_features(tower, SENTENCES), rtol=0, atol=1e-6)
    for row, sentence in zip(features, SENTENCES, strict=True):
        torch.testing.assert_close(tower.encode(tower.tokenize([sentence]))[0], row, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_inserted_embeddings_of_words_make_the_features_of_the_sentence(towers, name):
    tower = towers(name)
    rules = tower.tokens
    before, after = rules.words("a video of the"), rules.following("in sports")
    made = tower.prompts(["high jump", "clean and jerk"], len(before), len(after))
    context = tower.embedding(torch.tensor([*before, *after])).detach()
    sentences = ["a video of the high jump in sports", "a video of the clean and jerk in sports"]
    found = tower.encode(made.ids, context, made.places)
    torch.testing.assert_close(found, own_features(tower, sentences), rtol=0, atol=1e-6)
    assert not torch.allclose(tower.encode(made.ids, torch.zeros_like(context), made.places), found, atol=1e-3)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_every_learned_vector_gets_a_gradient_and_classes_do_not_mix(make, name, per_class):
    names = ["HighJump", "CleanAndJerk", "Diving"]
    text = PromptedText(names, make(name), weights(name), prefix=4, postfix=3, per_class=per_class)
    features = text()
    target = torch.linspace(-1, 1, features.numel()).sin().view_as(features)
    (gradient,) = torch.autograd.grad((features * target).sum(), text.context)
    assert gradient.shape == (3 if per_class else 1, 7, text.context.shape[2])
    assert (gradient.abs().amax(dim=2) > 0).all()
    for row, one in enumerate(names):
        alone = PromptedText([one], make(name), weights(name), prefix=4, postfix=3, per_class=per_class)
        alone.context.data = text.context.data[row : row + 1] if per_class else text.context.data
        torch.testing.assert_close(alone()[0], features[row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_the_number_of_vectors_is_fitted_to_the_longest_name_or_refused(make, towers, name):
    tower = towers(name)
    longest = max(len(tower.tokens.following(each)) for each in REAL_NAMES)
    room = tower.tokens.room - longest
    text = PromptedText(REAL_NAMES, make(name), weights(name), fit="auto")
    assert text.context.shape[1] == min(32, room)
    assert text.places.max() < tower.tokens.length
    assert ("vectors" in text.note) == (room < 32)
    if room < 32:
        with pytest.raises(ConfigError, match=r"longer than the \d+ tokens that .*fit: auto"):
            PromptedText(REAL_NAMES, make(name), weights(name))


@pytest.mark.parametrize(("name", "length"), [("ViT-B-16-SigLIP", 64), ("ViT-SO400M-14-SigLIP", 16), ("siglip", 64)])
def test_siglip_keeps_its_empty_places(towers, name, length):
    tower = towers(name)
    assert tower.tokenize(["a"]).shape == (1, length)
    assert tower.prompts(["high jump"], 4, 2).ids.shape == (1, length)
    assert tower.calibration.link == "sigmoid"


def test_so400m_has_room_for_few_vectors_and_a_longer_name_is_refused(make):
    text = PromptedText(["HighJump"], make("ViT-SO400M-14-SigLIP"), "random", fit="auto")
    assert text.context.shape[1] == 13
    assert text.note.endswith("random weights), 7 + 6 vectors")
    name = "removing ice from car and washing windows and cutting grass and wrapping presents and diving"
    with pytest.raises(ConfigError, match=r"has 15 tokens, and .*SO400M.* reads 15 beside .*no room for learned vectors"):
        PromptedText(["Diving", name], make("ViT-SO400M-14-SigLIP"), "random", fit="auto")


def test_the_calibration_is_the_models_own(towers):
    assert towers("ViT-B-16").calibration is None  # random weights
    scale, bias, link = towers("ViT-B-16-SigLIP").calibration
    assert (round(scale, 4), bias, link) == (14.2857, -10.0, "sigmoid")
    assert towers("xclip").calibration == Calibration(pytest.approx(14.2849, abs=1e-3))
    assert towers("pe_video").calibration is None


def test_x_clip_says_that_its_texts_do_not_depend_on_the_video(make):
    text = TemplateText(["HighJump"], make("xclip"), "main")
    assert text.note == "text: transformers:xclip (main; texts without its prompts from the video)"


def test_a_tower_without_token_embeddings_is_refused_by_name(towers, make, monkeypatch):
    monkeypatch.delattr(towers("ViT-B-16-SigLIP").text, "token_embedding")
    with pytest.raises(ConfigError, match="through the text tower of tiny-ViT-B-16-SigLIP .*use templates or a file"):
        _ = towers("ViT-B-16-SigLIP").width


def test_a_tokenizer_that_builds_rows_in_another_way_is_refused_by_name(make):
    tower = open_text_tower(make("ViT-B-16-SigLIP"), "random")
    ours = tower.tokenizer
    tower.tokenizer = type("Reversed", (), {"__call__": lambda self, texts: ours(texts).flip(1)})()
    tower.tokenizer.tokenizer, tower.tokenizer.context_length = ours.tokenizer, 64
    with pytest.raises(ConfigError, match=r"tiny-ViT-B-16-SigLIP\.json, whose tokenizer arranges texts in an unknown"):
        _ = tower.tokens


@pytest.mark.parametrize("name", ["nowhere/no-such-model", "."])
def test_a_model_that_cannot_be_loaded(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"^transformers:{name} cannot be loaded: .*(hf download|save_pretrained)"):
        open_text_tower(f"transformers:{name}", "main")


def test_a_model_without_towers_is_refused_by_its_type(tmp_path):
    import transformers

    transformers.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"a model of the type 'bert', which has no towers .*xclip.*wtal vlp"):
        open_text_tower(f"transformers:{tmp_path}", "random")


def test_random_weights_of_transformers_are_the_same_each_time(make):
    first, second = (open_text_tower(make("siglip"), "random") for _ in range(2))
    assert torch.equal(first.embedding.weight, second.embedding.weight)
    assert first.note == "transformers:siglip (random weights)"
    assert not torch.equal(first.embedding.weight, open_text_tower(make("siglip"), "main").embedding.weight)


@pytest.mark.parametrize(("model", "message"), [("transformers:x", "transformers is not"), ("", "ViT-B-16.*PE-Core")])
def test_without_the_extra_the_message_names_it(make, model, message, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    monkeypatch.setattr("wtal.nn.encoders.clip_model.find_spec", lambda name: None)
    with pytest.raises(ConfigError if False else ImportError, match=rf"{message}.*") as refusal:
        open_text_tower(model or str(Path(make("ViT-B-16-SigLIP"))), "random")
    assert "wtal[transformers]" in str(refusal.value)
