"""README and documentation as tests see them: their fenced blocks, shell lines and links.

The language of a block says what tests do with it: ``bash`` (shell) and ``python`` are executed, page by page and in
order; the output of ``console`` is compared, too; ``sh`` needs data or a network and is only parsed. A block with a
title is a file that the page asks the reader to write.
"""

import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "experiments" / "docs" / "pages"
DOCUMENTS = {
    "README.md": ROOT / "README.md",
    "CONTRIBUTING.md": ROOT / ".github" / "CONTRIBUTING.md",
    **{path.relative_to(PAGES).as_posix(): path for path in sorted(PAGES.rglob("*.md"))},
}
EXPERIMENTS = ROOT / "experiments"
MEASURED = {  # pages that say what was measured, and by which commands
    path.relative_to(EXPERIMENTS).as_posix(): path
    for path in sorted(EXPERIMENTS.rglob("*.md"))
    if PAGES not in path.parents
}

_FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    title: str
    text: str

    def lines(self) -> list[str]:
        """Shell lines, joined where one continues the other; in a ``console`` those after ``$``."""
        text = self.text.replace("\\\n", " ")
        if self.language == "console":
            return [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        return [line for line in text.splitlines() if shlex.split(line, comments=True)]


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = _FENCE.findall((DOCUMENTS | MEASURED)[name].read_text(encoding="utf-8"))
    return [Block(language, title, textwrap.dedent(text)) for _, language, title, text in found]


def shell_lines(*languages: str, of: Iterable[str] = DOCUMENTS) -> Iterator[tuple[str, list[str]]]:
    """Documents and the words of each of their shell lines, without comments."""
    for name in of:
        for block in blocks(name):
            if block.language in languages:
                for line in block.lines():
                    yield name, shlex.split(line, comments=True)


def links(name: str) -> list[str]:
    """Targets of the links and pictures of a document, outside of code."""
    text = _FENCE.sub("", DOCUMENTS[name].read_text(encoding="utf-8"))
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


def anchors(path: Path) -> set[str]:
    """Anchors of the headings of a Markdown file, as both GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
