"""The floors of the house: who may import whom, read from the sources without importing them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wtal
from wtal.commands.main import _OWN

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "wtal").rglob("*.py"))

FLOORS = {
    "_torchvision_compat": 0,
    "errors": 0,
    "types": 0,
    "io": 1,
    "views": 1,
    "functional": 2,
    "losses": 3,
    "metrics": 3,
    "localization": 3,
    "video": 3,
    "data": 4,
    "nn": 4,
    "tasks": 5,
    "results": 6,
    "branches": 7,
    "collaboration": 8,
    "training": 9,
    "report": 10,
    "sweep": 10,
    "comparison": 10,
    "extraction": 10,
    "api": 11,
    "commands": 12,
    "__main__": 13,
}
ONLY = {
    "open_clip": {"nn/encoders/clip_model.py", "nn/encoders/clip_image.py"},
    "pytorch_lightning.loops": {"collaboration/loop.py"},
    "jsonargparse": {"commands/main.py", "training/cli.py", "training/checkpoint.py", "data/check.py"},
}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT / "wtal").as_posix()


def part_of(file: Path) -> str:
    return name_of(file).split("/")[0].removesuffix(".py")


def imports(file: Path) -> list[str]:
    """Modules that a file imports anywhere, those for type checkers included."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.append(node.module or "")
            if node.module == "wtal":  # `from wtal import data`
                found += [f"wtal.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_run_downward(file: Path):
    here = part_of(file)
    if here == "__init__":
        return
    for module in imports(file):
        part = module.split(".")[1] if module.startswith("wtal.") else None
        if part in FLOORS and part != here:
            assert FLOORS[part] < FLOORS[here], f"{name_of(file)} imports {module}"


def test_the_package_itself_needs_nothing_before_a_name_of_it_is_used():
    code = "import sys, wtal; print([m for m in sys.modules if m.startswith('wtal.') or m in ('torch', 'numpy')])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['wtal._torchvision_compat']"


def test_no_command_has_the_name_of_a_function_of_the_package():
    """Jsonargparse looks for a command's function in the package too, and would import all of it."""
    functions = {command.function.partition(":")[2] for command in _OWN.values()}
    assert not functions & set(wtal.__all__)


def test_every_part_of_the_package_has_its_floor():
    assert {part_of(file) for file in FILES} - {"__init__"} <= FLOORS.keys()


@pytest.mark.parametrize("name", ["types.py", "errors.py", "_torchvision_compat.py"])
def test_the_ground_floor_needs_nothing_of_the_house(name: str):
    assert not [module for module in imports(ROOT / "wtal" / name) if module.split(".")[0] == "wtal"]


@pytest.mark.parametrize(("library", "allowed"), ONLY.items(), ids=ONLY)
def test_a_library_is_known_to_few(library: str, allowed: set[str]):
    users = {
        name_of(file)
        for file in FILES
        if any(module == library or module.startswith(f"{library}.") for module in imports(file))
    }
    assert users <= allowed


def test_the_command_line_is_read_in_one_place():
    assert {name_of(file) for file in FILES if "sys.argv" in file.read_text(encoding="utf-8")} == {"commands/main.py"}


def test_a_report_knows_no_network():
    networks = ("wtal.nn", "wtal.losses", "wtal.branches", "wtal.collaboration")
    users = [f for f in FILES if part_of(f) == "report" and any(m.startswith(networks) for m in imports(f))]
    assert not users


def test_no_file_knows_the_machine_it_was_written_on():
    absolute = re.compile(r"(?<![\w.:/$}~<])/(home|root|work|tmp|opt|mnt|Users|data)/\w")
    text = [*FILES, *(ROOT / "configs").rglob("*.yaml"), *(ROOT / "experiments").rglob("*.py"), ROOT / "Makefile"]
    found = [str(file.relative_to(ROOT)) for file in text if absolute.search(file.read_text(encoding="utf-8"))]
    assert not found


def test_segments_are_in_no_type_that_a_training_step_sees():
    tree = ast.parse((ROOT / "wtal" / "types.py").read_text(encoding="utf-8"))
    batch = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "SnippetBatch")
    fields = {
        node.target.id for node in batch.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert fields == {"streams", "mask", "grid_index", "labels", "video"}
