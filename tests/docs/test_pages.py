"""README, documentation and the files beside them: links, claims, and what must agree with the code."""

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documents import DOCUMENTS, PAGES, ROOT, anchors, blocks, links, shell_lines

import wtal

README = DOCUMENTS["README.md"].read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
EXTRAS = set(re.findall(r"^(\w+) = \[", PROJECT.split("optional-dependencies]")[1].split("\n[")[0], re.MULTILINE))
PROGRAMS = {
    *("wtal", "make", "pip", "uv", "uvx", "python", "python3", "source", "cd", "curl", "docker"),
    *("pre-commit",),
}


# Links and blocks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str):
    for link in links(name):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = (DOCUMENTS[name].parent / target).resolve() if target else DOCUMENTS[name]
        assert path.is_file(), f"{name}: {link}"
        assert ROOT in path.parents
        assert not anchor or anchor in anchors(path), f"{name}: {link}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_are_of_a_known_kind(name: str):
    for block in blocks(name):
        assert block.language in {"", "bash", "console", "csv", "python", "sh", "yaml"}, block
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "yaml":
            assert yaml.safe_load(block.text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_lines_are_short(name: str):
    limit = [line for line in DOCUMENTS[name].read_text(encoding="utf-8").splitlines() if len(line) > 120]
    assert not [line for line in limit if name == "README.md" or not line.startswith("|")]


def test_every_page_is_in_the_navigation():
    config = yaml.safe_load((PAGES.parent / "mkdocs.yml").read_text())

    def files(part: object) -> list[str]:
        parts = part if isinstance(part, list) else part.values() if isinstance(part, dict) else None
        return [part] if parts is None else [file for one in parts for file in files(one)]

    shown = files(config["nav"])
    assert {name for name in DOCUMENTS if name not in ("README.md", "CONTRIBUTING.md")} <= set(shown)
    measured = {path.relative_to(ROOT / "experiments").as_posix() for path in (ROOT / "experiments").rglob("*.md")}
    assert {f"measured/{name}" for name in measured if not name.startswith("docs/")} <= set(shown)


def test_every_package_is_in_the_reference():
    given = re.findall(r"^::: (\S+)$", "\n".join(path.read_text() for path in PAGES.glob("api/*.md")), re.MULTILINE)
    internal = ("commands", "io", "training", "report/page", "comparison")  # from which users import nothing
    packages = [path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "wtal").glob("*/**/__init__.py")]
    public = {name.replace("/", ".") for name in packages if not name.removeprefix("wtal/").startswith(internal)}
    assert public <= set(given), f"add `::: NAME` to a page of experiments/docs/pages/api: {public - set(given)}"


# Shell lines -----------------------------------------------------------------------------------------------------


def test_shell_lines_call_known_programs():
    used = {words[0] for _, words in shell_lines("sh", "bash", "console")}
    assert used <= PROGRAMS


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for _, words in shell_lines("sh") if words[0] == "make" for word in words[1:]}
    named |= set(re.findall(r"`make ([a-z-]+)", "\n".join(path.read_text() for path in DOCUMENTS.values())))
    assert named <= targets


def test_extras_exist():
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS.values())
    named = {extra for given in re.findall(r"wtal\[([\w,]+)\]", text) for extra in given.split(",")}
    assert {"all", "sound"} <= named <= EXTRAS


def test_every_extra_is_explained():
    table = (PAGES / "install.md").read_text(encoding="utf-8")
    assert {extra for extra in EXTRAS if extra != "dev"} <= set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_weights_are_fetched_from_where_the_code_says():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "wtal").rglob("*.py"))
    for _, words in shell_lines("sh"):
        if words[0] == "curl":
            assert words[-1].rpartition("/")[0] in code
            assert words[-1].rpartition("/")[2] == Path(words[4]).name


# README ----------------------------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(README.split()) < 1000


def test_the_readme_names_every_target_of_make():
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets - {"help"} <= set(re.findall(r"`([a-z-]+)`", README)) | {"demo", "test"}


def test_numbers_of_the_readme_stand_in_the_table_of_results():
    table = README.split("## Results")[1].split("## In Python")[0]
    results = (PAGES / "results.md").read_text(encoding="utf-8")
    numbers = re.findall(r"\d+\.\d ± \d+\.\d", table)
    assert len(numbers) == 16
    for number in numbers:
        assert number in " ".join(results.split()), number


# What lies beside ------------------------------------------------------------------------------------------------


def test_the_citation_has_the_version_and_the_licence():
    content = yaml.safe_load((ROOT / ".github" / "CITATION.cff").read_text())
    assert content["version"] == wtal.__version__
    assert f'license = "{content["license"]}"' in PROJECT
    assert {"cff-version", "message", "title", "authors"} <= set(content)


def test_pre_commit_has_the_tested_version_of_ruff():
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (pinned,) = re.findall(r"^ruff==(\S+)", (ROOT / "configs" / "constraints.txt").read_text(), re.MULTILINE)
    assert content["repos"][0]["rev"] == f"v{pinned}"
    assert [hook["id"] for repo in content["repos"] for hook in repo["hooks"]] == ["ruff-check", "ruff-format", "mypy"]


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()), ids=lambda path: path.name)
def test_an_issue_form_is_complete(path: Path):
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= set(form)
    assert all(part["type"] in ("textarea", "input") and part["attributes"]["label"] for part in form["body"])
    assert len({part["id"] for part in form["body"]}) == len(form["body"])


def test_the_docker_file_takes_what_the_page_gives():
    lines = (ROOT / ".docker" / "Dockerfile").read_text().splitlines()
    defaults = dict(line.removeprefix("ARG ").split("=") for line in lines if line.startswith("ARG "))
    given = {
        word.partition("=")[0]
        for _, words in shell_lines("sh")
        if words[:2] == ["docker", "build"]
        for word in words
        if re.match(r"[A-Z_]+=", word)
    }
    assert {"BASE", "TORCH_INDEX"} == given <= set(defaults)
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            assert (ROOT / line.split()[1]).exists()


def test_doctests_become_blocks_of_code():
    pytest.importorskip("griffe")
    path = PAGES.parent / "docstrings.py"
    module = runpy.run_path(str(path))
    assert module["as_markdown"]("As in::\n\n    a = 1\n\n>>> 1\n1\n\nEnd.") == (
        "As in:\n\n    a = 1\n\n```pycon\n>>> 1\n1\n```\n\nEnd."
    )


# The site --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    command += ["--config-file", str(PAGES.parent / "mkdocs.yml")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    assert "I have" in (site / "index.html").read_text(encoding="utf-8")
    assert "data:image/png" in (site / "measured" / "notebooks" / "tutorial.html").read_text(encoding="utf-8")
    assert "THUMOS14DataModule" in (site / "api" / "data.html").read_text(encoding="utf-8")
    assert "--then_test" in (site / "own_features.html").read_text(encoding="utf-8")
    assert "wtal evaluate" in (site / "api" / "commands.html").read_text(encoding="utf-8")
