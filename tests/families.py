"""A tiny model of every family of vision-language models, made here: no network, no weights.

Those of open_clip keep the configuration of a real model but for the sizes, so that its mask, pooling, padding and
tokenizer's kind are the real ones.
"""

import json
from pathlib import Path
from typing import Any

import torch

_WORDS = """a the of an x y video photo person doing man and with in on to for at up up, clean jerk high jump baseball
pitch diving cliff having ice cream building sandcastles throwing darts playing rubik cube sports removing from shoes
smoking cigarette hand car washing windows cutting grass wrapping presents tumbling fixing bicycle polishing forniture
furniture putting contact lenses carving jack o lanterns tennis serve ball bouncing layup drill basketball using pommel
horse trimming branches or hedges gargling mouthwash"""

_TINY_VISION = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
OPEN_CLIP = {  # a real model, and the kind of its tokenizer
    "ViT-B-16": "bpe",
    "EVA02-B-16": "bpe",
    "convnext_base": "bpe",
    "ViTamin-B": "bpe",
    "coca_ViT-B-32": "bpe",
    "MobileCLIP-S1": "bpe",
    "MobileCLIP2-B": "bpe",
    "PE-Core-B-16": "bpe",
    "PE-Core-bigG-14-448": "bpe",
    "ViT-B-16-SigLIP": "t5",
    "ViT-B-16-SigLIP2": "gemma",
    "ViT-SO400M-14-SigLIP": "t5",
    "ViT-L-14-CLIPA": "bert",
    "ViT-H-14-worldwide": "xlm",
    "ViT-L-14-worldwide": "t5-middle",
}
TRANSFORMERS = ("clip", "metaclip_2", "siglip", "siglip2", "xclip", "pe_video", "videoprism")
IMAGES, VIDEOS = ("clip", "metaclip_2", "siglip", "siglip2"), ("xclip", "pe_video", "videoprism")
_KINDS = {
    "clip": "clip",
    "metaclip_2": "xlm",
    "siglip": "t5",
    "siglip2": "gemma",
    "xclip": "clip",
    "pe_video": "bert",
    "videoprism": "t5-masked",
}


def make_tokenizer(folder: Path, kind: str) -> Path:
    """Write a tokenizer whose special tokens, padding and treatment of spaces are those of a real kind."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {
        "clip": ["<unk>", "<start>", "<end>"],
        "t5": ["<pad>", "</s>", "<unk>"],
        "t5-middle": ["<pad>", "</s>", "<unk>"],
        "t5-masked": ["<pad>", "</s>", "<unk>"],
        "gemma": ["<pad>", "<eos>", "<bos>", "<unk>"],
        "bert": ["[PAD]", "[CLS]", "[SEP]", "[UNK]"],
        "xlm": ["<s>", "<pad>", "</s>", "<unk>"],
    }[kind]
    words = [*dict.fromkeys(_WORDS.split())]
    spaced = kind in ("t5", "t5-middle", "t5-masked", "gemma", "xlm")
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    entries = [*words, *letters, *"0123456789-,.'"]
    if spaced:
        entries = [*(f"▁{word}" for word in words), "▁", *entries]
    if kind == "clip":  # the end token has the highest id, as pooling by the largest one needs
        entries, special = [*entries, *special], []
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*special, *entries]))}
    unknown = next(token for token in vocabulary if "unk" in token.lower())
    made = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown, continuing_subword_prefix=""))
    made.normalizer = normalizers.Lowercase()
    if spaced:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never" if kind == "gemma" else "always")
    else:
        made.pre_tokenizer = pre_tokenizers.Whitespace()
    around = {
        "clip": ("<start>", "<end>"),
        "gemma": ("", "<eos>"),
        "bert": ("[CLS]", "[SEP]"),
        "xlm": ("<s>", "</s>"),
    }.get(kind, ("", "</s>"))
    template = " ".join(part for part in (around[0], "$A", around[1]) if part)
    tokens = [(token, vocabulary[token]) for token in around if token]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=tokens)
    pad = {"clip": "<end>", "t5": "</s>", "bert": "[PAD]", "gemma": "<pad>", "xlm": "<pad>"}.get(kind, "<pad>")
    names = {"pad_token": pad, "eos_token": around[1], "unk_token": unknown}
    names |= {"sep_token": "[SEP]", "cls_token": "[CLS]"} if kind == "bert" else {}
    masked = kind in ("clip", "bert", "xlm", "t5-masked")
    inputs = ["input_ids", "attention_mask"] if masked else ["input_ids"]  # SigLIP's sees its empty places
    fast = PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, padding_side="right", **names)
    fast.save_pretrained(folder)
    return folder


def make_open_clip(folder: Path, name: str) -> str:
    """Write the configuration of a real model of open_clip, made tiny, and return its path."""
    import open_clip

    settings: dict[str, Any] = open_clip.get_model_config(name)
    settings |= {"embed_dim": 24, "vision_cfg": _TINY_VISION}
    small = {"width": 32, "heads": 2, "layers": 2}
    text = settings["text_cfg"] | small
    if "multimodal_cfg" in settings:
        settings["multimodal_cfg"] |= small | {"layers": 1, "attn_pooler_heads": 2}
        pooler = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2, "output_tokens": True}
        settings["vision_cfg"] = {**_TINY_VISION, **pooler}
    if "hf_tokenizer_name" in text:
        text |= {"hf_tokenizer_name": str(make_tokenizer(folder / "tokenizer", OPEN_CLIP[name])), "vocab_size": 400}
        if text.get("pool_type") == "eos":
            text["eos_id"] = {"xlm": 2}.get(OPEN_CLIP[name], 1)
    settings["text_cfg"] = text
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny-{name}.json"
    path.write_text(json.dumps(settings))
    return str(path)


def make_transformers(folder: Path, kind: str) -> str:
    """Write a tiny model of ``transformers`` with all its files, and return the name by which it is opened."""
    import transformers

    make_tokenizer(folder, _KINDS[kind])
    config = _config(kind)
    torch.manual_seed(5)
    model = transformers.AutoModel.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("cls_emb", "position_embedding", "prompts_generator.alpha")):
                torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    _processor(kind).save_pretrained(folder)
    return f"transformers:{folder}"


def _config(kind: str) -> Any:
    import transformers

    text: dict[str, Any] = {
        "vocab_size": 400,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    if kind == "clip":
        ends = {"bos_token_id": 1, "eos_token_id": 2}  # the pooling by the largest id
        vision |= {"projection_dim": 24}
        words = {**text, **ends, "projection_dim": 24}
        return transformers.CLIPConfig(text_config=words, vision_config=vision, projection_dim=24)
    if kind == "metaclip_2":
        ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
        words = {**text, **ends, "projection_dim": 24}
        vision |= {"projection_dim": 24}
        return transformers.MetaClip2Config(text_config=words, vision_config=vision, projection_dim=24)
    if kind == "siglip":
        return transformers.SiglipConfig(text_config={**text, "projection_size": 32}, vision_config=vision)
    if kind == "siglip2":
        vision = {name: value for name, value in vision.items() if name != "image_size"} | {"num_patches": 4}
        return transformers.Siglip2Config(text_config={**text, "projection_size": 32}, vision_config=vision)
    if kind == "xclip":
        mit = {
            "mit_hidden_size": 24,
            "mit_intermediate_size": 48,
            "mit_num_hidden_layers": 1,
            "mit_num_attention_heads": 2,
            "num_frames": 4,
        }
        return transformers.XCLIPConfig(
            text_config=text,
            vision_config={**vision, **mit},
            projection_dim=24,
            prompt_layers=1,
            prompt_num_attention_heads=2,
        )
    if kind == "pe_video":
        encoder = {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "head_dim": 16,
            "vision_config": {
                "model_type": "timm_wrapper",
                "architecture": "vit_pe_core_tiny_patch16_384",
                "do_pooling": True,
                "num_classes": 16,
                "global_pool": "map",
                "model_args": {"embed_dim": 32, "depth": 1, "num_heads": 2, "img_size": 32, "attn_pool_num_heads": 2},
            },
        }
        words = {**text, "model_type": "modernbert", "max_position_embeddings": 128, "pad_token_id": 0}
        return transformers.PeVideoConfig(text_config=words, video_config=encoder)
    vision |= {"num_frames": 4, "tubelet_size": [1, 16, 16], "num_spatial_layers": 1, "num_temporal_layers": 1}
    vision |= {"num_auxiliary_layers": 1}
    for name in ("num_hidden_layers", "patch_size"):
        vision.pop(name)
    return transformers.VideoPrismConfig(text_config=text, vision_config=vision)


def _processor(kind: str) -> Any:
    import transformers

    size = {"height": 32, "width": 32}
    if kind == "siglip2":
        return transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=4)
    if kind == "siglip":
        return transformers.SiglipImageProcessor(size=size)
    if kind in ("clip", "metaclip_2"):
        return transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size)
    if kind == "xclip":
        return transformers.VideoMAEImageProcessor(size={"shortest_edge": 32}, crop_size=size)
    from transformers.models.pe_video.video_processing_pe_video import PeVideoVideoProcessor

    return PeVideoVideoProcessor(size=size, do_resize=True, do_rescale=True)
