"""Text features of classes: learned prompts, templates, files."""

from wtal.nn.text.clip_text import TextTower
from wtal.nn.text.prompts import TEMPLATES, FileText, PromptedText, TemplateText, TextSource, nearest_words

__all__ = [
    "TEMPLATES",
    "FileText",
    "PromptedText",
    "TemplateText",
    "TextSource",
    "TextTower",
    "nearest_words",
]
