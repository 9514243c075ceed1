"""Prompts through the text tower of every family: with real words they are sentences, and every vector learns."""

import sys
from collections.abc import Callable
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from families import OPEN_CLIP, TRANSFORMERS, make_open_clip, make_transformers
from torch import Tensor

from wtal.errors import ConfigError
from wtal.io.extras import MissingPackageError
from wtal.nn.text import Calibration, ClipTextTower, PromptedText, TemplateText, TextTower, open_text_tower
from wtal.nn.text.prompts import readable

pytest.importorskip("transformers", reason="needs `wtal[transformers]`")
ALL = (*OPEN_CLIP, *TRANSFORMERS)
SENTENCES = ["a", "a video of a person doing the high jump", "clean and jerk"]
# the longest of ActivityNet 1.3's 200 names by CLIP's tokens: 6, 5 and 5
REAL_NAMES = ["Carving jack-o-lanterns", "Tennis serve with ball bouncing", "Layup drill in basketball"]
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


@pytest.fixture
def prompted(towers: Callable[[str], TextTower], monkeypatch: pytest.MonkeyPatch) -> Callable[..., PromptedText]:
    """Makes prompts of a family, through a tower that is opened once."""
    monkeypatch.setattr("wtal.nn.text.prompts.open_text_tower", lambda model, pretrained: towers(model))
    return lambda name, names, **options: PromptedText(names, name, **options)


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
    assert not torch.allclose(tower.encode(made.ids, torch.zeros_like(context), made.places), found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_every_learned_vector_gets_a_gradient_and_classes_do_not_mix(prompted, name):
    names = ["HighJump", "CleanAndJerk", "Diving"]
    for per_class in (False, True):
        text = prompted(name, names, prefix=4, postfix=3, per_class=per_class)
        features = text()
        target = torch.linspace(-1, 1, features.numel()).sin().view_as(features)
        (gradient,) = torch.autograd.grad((features * target).sum(), text.context)
        assert gradient.shape == (3 if per_class else 1, 7, text.context.shape[2])
        assert (gradient.abs().amax(dim=2) > 0).all()
        for row, one in enumerate(names):
            alone = prompted(name, [one], prefix=4, postfix=3, per_class=per_class)
            alone.context.data = text.context.data[row : row + 1] if per_class else text.context.data
            torch.testing.assert_close(alone()[0], features[row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_the_number_of_vectors_is_fitted_to_the_longest_name_or_refused(prompted, towers, name):
    tower = towers(name)
    room = tower.tokens.room - max(len(tower.tokens.following(readable(each))) for each in REAL_NAMES)
    text = prompted(name, REAL_NAMES, fit="auto")
    assert text.context.shape[1] == min(32, room)
    assert text.places.max() < tower.tokens.length
    assert ("vectors" in text.note) == (room < 32)
    if room < 32:
        with pytest.raises(ConfigError, match=r"longer than the \d+ tokens that .*fit: auto"):
            prompted(name, REAL_NAMES)


@pytest.mark.parametrize(("name", "length"), [("ViT-B-16-SigLIP", 64), ("ViT-SO400M-14-SigLIP", 16), ("siglip", 64)])
def test_siglip_keeps_its_empty_places(towers, name, length):
    tower = towers(name)
    assert tower.tokenize(["a"]).shape == (1, length)
    assert tower.prompts(["high jump"], 4, 2).ids.shape == (1, length)
    assert tower.calibration.link == "sigmoid"


def test_so400m_has_room_for_few_vectors_and_a_longer_name_is_refused(prompted):
    text = prompted("ViT-SO400M-14-SigLIP", ["HighJump"], fit="auto")
    assert text.context.shape[1] == 13
    assert text.note.endswith("random weights), 7 + 6 vectors")
    name = "removing ice from car and washing windows and cutting grass and wrapping presents and diving"
    with pytest.raises(
        ConfigError, match=r"has 15 tokens, and .*SO400M.* reads 15 beside .*no room for learned vectors"
    ):
        prompted("ViT-SO400M-14-SigLIP", ["Diving", name], fit="auto")


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
    with pytest.raises(ConfigError, match=r"through the text tower of tiny-ViT-B-16-SigLIP .*use templates or a file"):
        _ = towers("ViT-B-16-SigLIP").width


def test_a_tokenizer_that_builds_rows_in_another_way_is_refused_by_name(make):
    tower = open_text_tower(make("ViT-B-16-SigLIP"), "random")
    ours = tower.tokenizer
    tower.tokenizer = type("Reversed", (), {"__call__": lambda self, texts: ours(texts).flip(1)})()
    tower.tokenizer.tokenizer, tower.tokenizer.context_length = ours.tokenizer, 64
    with pytest.raises(ConfigError, match=r"tiny-ViT-B-16-SigLIP\.json, whose tokenizer arranges texts in an unknown"):
        _ = tower.tokens


def test_a_model_that_cannot_be_downloaded(monkeypatch):
    import transformers

    def refuse(*args: object, **options: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files.\nCheck your connection.")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(ConfigError) as refusal:
        open_text_tower("transformers:someone/some-model", "main")
    assert str(refusal.value) == (
        "transformers:someone/some-model cannot be loaded: We couldn't connect to 'https://huggingface.co' to load the "
        "files; correct its name, or without a network run `hf download someone/some-model --local-dir "
        "weights/some-model` where there is one, and give `transformers:weights/some-model`."
    )


def test_a_folder_that_holds_no_model(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^transformers:.* cannot be loaded: .*; give a folder that `save_pretrained`"
    ):
        open_text_tower(f"transformers:{tmp_path}", "main")


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
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr("wtal.nn.encoders.clip_model.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=message) as refusal:
        open_text_tower(model or make("ViT-B-16-SigLIP"), "random")
    assert "wtal[transformers]" in str(refusal.value)
