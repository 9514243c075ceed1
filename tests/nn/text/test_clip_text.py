import logging
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from wtal.errors import ConfigError
from wtal.nn.text.clip_text import ClipTextTower

CAUSAL = ["tiny-clip", "tiny-custom-causal"]
ALL = [*CAUSAL, "tiny-custom", "tiny-coca"]
SENTENCES = ["a", "a video of a person doing the high jump.", "clean and jerk"]


@pytest.fixture(params=ALL)
def tower(request, config) -> ClipTextTower:
    return ClipTextTower(config(request.param), "random")


@pytest.fixture
def weights(config, tmp_path: Path) -> Path:
    """A checkpoint of the tiny model, with weights of its own."""
    import open_clip

    open_clip.add_model_config(config("tiny-clip"))
    torch.manual_seed(3)
    file = tmp_path / "mine.pt"
    torch.save(open_clip.create_model("tiny-clip").state_dict(), file)
    return file


def test_features_are_those_of_open_clip(tower):
    expected = F.normalize(tower.model.encode_text(tower.tokenizer(SENTENCES)), dim=1)
    torch.testing.assert_close(tower.encode(tower.tokenize(SENTENCES)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_tower_reads_no_further_than_the_longest_sentence(config, name):
    ids = ClipTextTower(config(name), "random").tokenize(["a", "clean and jerk"])
    assert ids.shape == (2, 5)  # start, three words, end


def test_only_causal_towers_that_pool_at_the_end_token_are_cut(tower):
    name = Path(tower.note.split()[0]).name
    assert tower.causal == (name in CAUSAL)


@pytest.mark.parametrize("pack", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("name", CAUSAL)
def test_sentences_in_one_sequence_do_not_see_each_other(config, name, pack):
    tower = ClipTextTower(config(name), "random")
    ids = tower.tokenize([f"a video of {word}" for word in ("diving", "the high jump", "golf", "a", "clean and jerk")])
    expected = tower.encode(ids)
    torch.testing.assert_close(tower.encode(ids, shared=4, chunk=pack), expected, rtol=0, atol=1e-6)


def test_the_visual_part_is_gone_and_the_rest_is_frozen(tower):
    assert tower.model.visual is None
    assert not tower.model.training
    assert not any(p.requires_grad for p in tower.model.parameters())


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone(config):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = ClipTextTower(config("tiny-clip"), "random")
    assert torch.equal(torch.rand(3), expected)
    second = ClipTextTower(config("tiny-clip"), "random")
    assert torch.equal(first.text.token_embedding.weight, second.text.token_embedding.weight)
    assert first.note == "tiny-clip (random weights)"


def test_a_tower_without_token_embedding_takes_no_context(config):
    tower = ClipTextTower(config("tiny-clip"), "random")
    del tower.text.token_embedding  # as open_clip's wrapper of other libraries' towers
    with pytest.raises(ConfigError, match="use templates or a file"):
        _ = tower.width


def test_weights_from_a_file(config, weights):
    tower = ClipTextTower(config("tiny-clip"), str(weights))
    assert torch.equal(tower.text.token_embedding.weight, torch.load(weights)["token_embedding.weight"])
    assert tower.note == "tiny-clip (mine.pt)"


def test_openai_weights_get_the_activation_they_were_trained_with(monkeypatch):
    import open_clip

    asked = {}

    def create_model(name, pretrained, **options):
        asked.update(options)
        raise RuntimeError("no network")

    monkeypatch.setattr(open_clip, "create_model", create_model)
    monkeypatch.setattr("wtal.nn.encoders.clip_model._is_cached", lambda origin: False)
    with pytest.raises(
        ConfigError, match=r"curl .*timm/vit_base_patch16_clip_224\.openai.*text\.model=ViT-B-16-quickgelu"
    ):
        ClipTextTower("ViT-B-16", "openai")
    assert asked == {"force_quick_gelu": True}
    with pytest.raises(ConfigError, match=r"laion/CLIP-ViT-B-16-laion2B-s34B-b88K.*model=ViT-B-16`"):
        ClipTextTower("ViT-B-16", "laion2b_s34b_b88k")
    assert asked == {"force_quick_gelu": False}


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B-61", "random", "has no model 'ViT-B-61'"),
        ("ViT-B-16", "opnai", "neither a file nor a tag of ViT-B-16's weights; tags: openai,"),
        ("nowhere/model.json", "random", "no model configuration nowhere/model.json"),
    ],
)
def test_a_model_tag_or_configuration_that_does_not_exist(model, pretrained, message):
    with pytest.raises(ConfigError, match=message):
        ClipTextTower(model, pretrained)


def test_weights_of_another_model(config, weights):
    with pytest.raises(ConfigError, match=r"mine\.pt do not load into .*tiny-custom\.json: .*; give the"):
        ClipTextTower(config("tiny-custom"), str(weights))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04garbage"])
def test_a_broken_file_of_weights(config, tmp_path, content):
    file = tmp_path / "broken.pt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.pt do not load"):
        ClipTextTower(config("tiny-clip"), str(file))


def test_an_archive_that_holds_no_weights(config, tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.pt", "w"):
        pass
    with pytest.raises(ConfigError, match=r"empty\.pt do not load"):
        ClipTextTower(config("tiny-clip"), str(tmp_path / "empty.pt"))


def test_a_configuration_that_is_not_json(tmp_path):
    file = tmp_path / "model.json"
    file.write_text("{")
    with pytest.raises(ConfigError, match=r"model\.json is not valid JSON"):
        ClipTextTower(str(file), "random")


def test_a_configuration_that_open_clip_cannot_build(tmp_path):
    file = tmp_path / "crooked.json"
    file.write_text('{"embed_dim": 8, "vision_cfg": {"widht": 8}, "text_cfg": {}}')
    with pytest.raises(ConfigError, match=r"cannot build .*crooked\.json: .*widht.*; correct its configuration"):
        ClipTextTower(str(file), "random")


def test_logging_is_left_as_it_was(config):
    logging.disable(logging.INFO)
    try:
        ClipTextTower(config("tiny-clip"), "random")
        assert logging.root.manager.disable == logging.INFO
    finally:
        logging.disable(logging.NOTSET)
