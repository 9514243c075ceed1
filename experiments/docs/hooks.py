"""What the site takes from elsewhere: README, measured pages, notebooks, commands; and references in docstrings."""

import ast
import json
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

EXPERIMENTS = Path(__file__).resolve().parents[1]
ROOT, PAGES = EXPERIMENTS.parent, EXPERIMENTS / "docs" / "pages"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in the folder of pages."""
    made = {"index.md": home(), "api/commands.md": commands(), "contributing.md": contributing()}
    for notebook in EXPERIMENTS.glob("notebooks/*.ipynb"):
        made[f"measured/notebooks/{notebook.stem}.md"] = notebook_page(notebook)
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    files.append(File.generated(config, "changelog.md", abs_src_path=str(ROOT / "CHANGELOG.md")))
    for path in sorted(file for kind in ("md", "png") for file in EXPERIMENTS.rglob(f"*.{kind}")):
        if PAGES not in path.parents:
            name = f"measured/{path.relative_to(EXPERIMENTS).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def home() -> str:
    """The README, with the links of this site."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\[([^\]]+)\]\(LICENSE\)", r"\1", text)
    for before, after in {
        "](experiments/docs/pages/": "](",
        "](experiments/": "](measured/",
        "](CHANGELOG.md": "](changelog.md",
        "](.github/CONTRIBUTING.md": "](contributing.md",
        ".ipynb)": ".md)",
    }.items():
        text = text.replace(before, after)
    return text


def contributing() -> str:
    """The guide for contributors, with the links of this site."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.replace("](../experiments/docs/pages/", "](")


def commands() -> str:
    """Every command with its options, from the signature and the docstring of its function."""
    parts = ["# Commands\n\n`wtal COMMAND --help` says the same. `--debug` shows where an error arose.\n"]
    for file in sorted((ROOT / "wtal" / "commands").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            title = file.stem.replace("_", " ")
            parts.append(f"## wtal {title}\n\n::: wtal.commands.{file.stem}.run\n    options: {{heading_level: 3}}\n")
    return "\n".join(parts)


def notebook_page(path: Path) -> str:
    """A notebook with its outputs, as Markdown."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += filter(None, map(_output, cell["outputs"]))
    return "\n\n".join(parts) + "\n"


def _output(output: dict) -> str:
    """The richest form of an output that a page can show."""
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```" if output["name"] == "stdout" else ""
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="output of the cell above" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    html = "".join(data.get("text/html", ""))
    if "<table" in html:
        return re.sub(r'<style.*?</style>|\n\s*| border="1" class="dataframe"', "", html, flags=re.DOTALL)
    plain = re.sub(r"\x1b\[[\d;]*m", "", "".join(data.get("text/plain", "")))  # colours of a terminal
    return f"```text\n{plain}\n```"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between the folder of pages and what lies beside it lead to their places on the site."""
    name = page.file.src_uri
    source = EXPERIMENTS / name.removeprefix("measured/") if name.startswith("measured/") else PAGES / name
    if not source.is_file():  # made here
        return markdown

    def moved(found: re.Match[str]) -> str:
        target, anchor = found[1].partition("#")[::2]
        path = (source.parent / target).resolve()
        if PAGES in path.parents:
            place = path.relative_to(PAGES)
        elif EXPERIMENTS in path.parents:
            place = "measured" / path.relative_to(EXPERIMENTS)
        else:
            return found[0]
        place = place.with_suffix(".md") if place.suffix == ".ipynb" else place
        link = os.path.relpath(place, Path(name).parent).replace(os.sep, "/")
        return f"]({link}{'#' if anchor else ''}{anchor})"

    return re.sub(r"\]\(([^)\s:#][^)\s:]*)\)", moved, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link references of docstrings, which are written as for Sphinx, and keep a mean and its deviation on one line."""

    def link(found: re.Match[str]) -> str:
        name = found[2].rpartition(".")[2] if found[1] else found[2]
        return f'<autoref identifier="{found[2]}" optional><code>{name}</code></autoref>'

    linked = re.sub(r":(?:class|func|meth|mod|data|attr|exc):<code>(~?)([\w.]+)</code>", link, html)
    return linked.replace(" ± ", "&nbsp;±&nbsp;")
