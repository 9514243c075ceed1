"""Text features of classes: learned prompts, templates, files."""

from wtal.nn.text.clip_text import ClipTextTower
from wtal.nn.text.open_tower import open_text_tower
from wtal.nn.text.prompts import TEMPLATES, FileText, PromptedText, TemplateText, TextSource, nearest_words
from wtal.nn.text.tokens import Tokens
from wtal.nn.text.tower import Calibration, Prompts, TextTower
from wtal.nn.text.transformers_text import TransformersTextTower

__all__ = [
    "TEMPLATES",
    "Calibration",
    "ClipTextTower",
    "FileText",
    "PromptedText",
    "Prompts",
    "TemplateText",
    "TextSource",
    "TextTower",
    "Tokens",
    "TransformersTextTower",
    "nearest_words",
    "open_text_tower",
]
