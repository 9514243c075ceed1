"""The list of vision-language models, from configuration files alone."""

import open_clip
import pytest

from wtal.commands.main import main
from wtal.nn.encoders.model_list import list_models


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built or downloaded."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("something was built")

    monkeypatch.setattr(open_clip, "create_model", refuse)
    monkeypatch.setattr(open_clip, "get_tokenizer", refuse)


def test_lists_every_model_with_what_a_prompt_needs():
    models = {model.name: model for model in list_models()}
    assert set(open_clip.list_models()) < models.keys()
    seen = {n: models[n][1:8] for n in ("ViT-B-16", "PE-Core-B-16", "ViT-SO400M-14-SigLIP", "ViT-H-14-CLIPA")}
    assert seen == {
        "ViT-B-16": (512, 77, "CLIP's BPE", 75, True, "single images", ""),
        "PE-Core-B-16": (1024, 32, "CLIP's BPE", 30, True, "single images", ""),
        "ViT-SO400M-14-SigLIP": (1152, 16, "ViT-B-16-SigLIP", 15, True, "single images", "transformers"),
        "ViT-H-14-CLIPA": (1024, 32, "bert-base-uncased", 30, True, "single images", "transformers"),
    }
    assert models["coca_ViT-B-32"].room == 74
    assert not models["xlm-roberta-base-ViT-B-32"].prompts
    assert models["ViT-B-16"].weights["openai"] == "MIT"
    assert models["ViT-B-16"].weights["metaclip_400m"] == "CC-BY-NC-4.0"
    assert models["PE-Core-B-16"].weights == {"meta": "Apache-2.0"}
    assert models["transformers:microsoft/xclip-base-patch32"].frames == "several together"


def test_a_part_of_names_lists_fewer(capsys):
    assert main(["vlp", "pe-core"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if "PE-Core" in line] == [
        name for name in open_clip.list_models() if name.startswith("PE-Core")
    ]
    assert "ViT-B-16 " not in printed


def test_a_name_lists_the_weights(capsys):
    assert main(["vlp", "ViT-B-16-SigLIP"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ViT-B-16-SigLIP",
        "  features:  768 channels, of single images",
        "  context:   64 tokens, by ViT-B-16-SigLIP",
        "  room:      63",
        "  needs:     pip install 'wtal[transformers]'",
        "  weights:   webli (Apache-2.0)",
    ]
    assert main(["vlp", "vit-b-16-siglip"]) == 0  # letter case does not matter
    assert capsys.readouterr().out.splitlines()[0] == "ViT-B-16-SigLIP"
    assert main(["vlp", "roberta-ViT-B-32"]) == 0
    assert "no prompts can be learned: use templates or a file" in capsys.readouterr().out


def test_an_unknown_name(capsys):
    assert main(["vlp", "ViT-B-61"]) == 2
    assert "No model has 'ViT-B-61' in its name: `wtal vlp` lists all." in capsys.readouterr().err
