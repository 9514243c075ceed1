"""The architecture: who may import whom, and how large a file or function may be, read from the sources alone."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

from wtal.commands.main import commands

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "wtal").rglob("*.py"))
MAX_LINES, MAX_COMPLEXITY = 400, 12

FLOORS = {
    "_lazy": 0,
    "_torchvision_compat": 0,
    "_version": 0,
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
    "simulation": 5,
    "tasks": 5,
    "results": 6,
    "branches": 7,
    "collaboration": 8,
    "student": 8,
    "report": 9,
    "training": 10,
    "sweep": 11,
    "comparison": 11,
    "extraction": 11,
    "api": 12,
    "deployment": 12,
    "commands": 13,
    "__main__": 14,
}
ONLY = {
    "csv": {  # all but the first only write
        "io/tables.py",
        "data/own_videos.py",
        "results/predictions.py",
        "training/lightning.py",
    },
    "open_clip": {"nn/encoders/clip_model.py", "nn/encoders/clip_image.py"},
    "pytorch_lightning.loops": {"collaboration/loop.py"},
    "jsonargparse": {"commands/main.py", "commands/options.py", "training/remembering.py", "training/settings.py"},
}
ADAPTERS = {"training/lightning.py", "collaboration/loop.py"}  # the only two to touch Lightning's private parts


def name_of(file: Path) -> str:
    return file.relative_to(ROOT / "wtal").as_posix()


def part_of(file: Path) -> str:
    return name_of(file).split("/")[0].removesuffix(".py")


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes_of(file: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(file)))


@cache
def imports(file: Path) -> list[str]:
    """Modules that a file imports anywhere, also for type checkers only."""
    found = []
    for node in nodes_of(file):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.append(node.module or "")
            if node.module == "wtal":  # `from wtal import data`
                found += [f"wtal.{alias.name}" for alias in node.names]
    return found


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(file: Path, modules: set[str]) -> set[str]:
    """Modules that a file imports; a name of a package is its submodule of that name, if any, else the package."""
    found = set()
    for node in nodes_of(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules | ({node.module or ""} if names - modules else set())
    return found & modules


def functions_of(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in nodes_of(file) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def complexity(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Cyclomatic complexity as radon counts it; functions within it count by themselves."""
    count, waiting = 1, list[ast.AST](function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.If | ast.IfExp | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler | ast.Assert):
            count += 1
        if isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.Try):
            count += bool(node.orelse)
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        if isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        if isinstance(node, ast.Match):
            count += sum(getattr(case.pattern, "pattern", True) is not None for case in node.cases)
        waiting += [] if isinstance(node, ast.Assert) else ast.iter_child_nodes(node)
    return count


def undocumented(node: ast.AST, name: str) -> list[str]:
    """Public modules, classes, functions and methods without a docstring."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or "._" in name:
        return []
    here = [] if ast.get_docstring(node) else [name]
    children = [] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else node.body
    return here + [lack for child in children for lack in undocumented(child, f"{name}.{getattr(child, 'name', '')}")]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_run_downward(file: Path):
    here = part_of(file)
    if here == "__init__":
        return
    for module in imports(file):
        part = module.split(".")[1] if module.startswith("wtal.") else None
        if part in FLOORS and part != here:
            assert FLOORS[part] < FLOORS[here], f"{name_of(file)} imports {module}"


def test_no_modules_import_each_other():
    modules = {module_of(file) for file in FILES} - {"wtal"}  # the package imports its names when they are used
    graph = {module_of(file): imported_modules(file, modules) for file in FILES if module_of(file) in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_no_file_is_too_long():
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_function_is_too_complex():
    counts = {f"{name_of(file)}:{f.lineno} {f.name}": complexity(f) for file in FILES for f in functions_of(file)}
    assert {name: count for name, count in counts.items() if count > MAX_COMPLEXITY} == {}


def test_complexity_by_hand():
    source = """
def f(x: int = 1 if True else 2) -> int:
    for a in [b for b in x if b if not b] if x else []:  # 1 + (1 + 2) + 1
        assert a or x  # 1
    else:  # 1
        pass
    try:  # 1 + 1
        while a and b and c: ...  # 1 + 2
    except ValueError: ...
    else: ...
    match a:  # 1
        case 1: ...
        case _: ...
    def inner(): return x or a
    return lambda: a or b  # 1
"""
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert complexity(function) == 1 + 5 + 1 + 1 + 2 + 3 + 1 + 1


def test_everything_public_is_documented():
    assert [lack for file in FILES for lack in undocumented(tree_of(file), name_of(file))] == []


def test_tables_are_read_in_one_place():
    reads = re.compile(r"csv\.(reader|DictReader)|(pd|pandas)\.read_(csv|table)")
    assert {name_of(file) for file in FILES if reads.search(file.read_text(encoding="utf-8"))} == {"io/tables.py"}


def test_the_package_itself_imports_nothing_until_a_name_of_it_is_used():
    code = "import sys, wtal; print(sorted(m for m in sys.modules if m.startswith('wtal.') or m in ('torch', 'numpy')))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['wtal._lazy', 'wtal._torchvision_compat', 'wtal._version']"


def test_every_command_has_a_help_and_one_public_function():
    for name, text in commands().items():
        module = tree_of(ROOT / "wtal" / "commands" / f"{re.sub('[ -]', '_', name)}.py")
        public = [node.name for node in module.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
        assert public == ["run"]
        assert text == (ast.get_docstring(module) or "").splitlines()[0]
        assert len(text) > 20


def test_every_part_of_the_package_has_a_floor():
    assert {part_of(file) for file in FILES} - {"__init__"} <= FLOORS.keys()


@pytest.mark.parametrize("name", ["types.py", "errors.py", "_lazy.py", "_torchvision_compat.py", "_version.py"])
def test_the_ground_floor_needs_nothing_of_the_house(name: str):
    assert not [module for module in imports(ROOT / "wtal" / name) if module.split(".")[0] == "wtal"]


@pytest.mark.parametrize(("library", "allowed"), ONLY.items(), ids=ONLY)
def test_a_library_is_used_in_few_files(library: str, allowed: set[str]):
    users = {
        name_of(file)
        for file in FILES
        if any(module == library or module.startswith(f"{library}.") for module in imports(file))
    }
    assert users <= allowed


def test_private_parts_of_lightning_are_touched_in_its_adapters_alone():
    classes = (LightningCLI, Trainer, _FitLoop, _TrainingEpochLoop)
    assigned = {"epoch_loop", "_data_source", "_subcommand_method_arguments", "_subcommand_parsers"}  # by constructors
    assigned |= {"_default_root_dir", "_wandb_init", "_experiment", "_kwargs"}  # also of its loggers
    private = {name for kind in classes for name in dir(kind) if re.match("_[a-z]", name)} | assigned
    assert {"_get", "_parse_ckpt_path", "_prepare_subcommand_parser"} <= private
    users: dict[str, set[str]] = {}
    for file in FILES:
        nodes = nodes_of(file)
        methods = [part for node in nodes if isinstance(node, ast.ClassDef) for part in node.body]
        names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        names |= {method.name for method in methods if isinstance(method, ast.FunctionDef)}
        users[name_of(file)] = names & private
    assert {file for file, names in users.items() if names} == ADAPTERS


def test_the_command_line_is_read_in_one_place():
    assert {name_of(file) for file in FILES if "sys.argv" in file.read_text(encoding="utf-8")} == {"commands/main.py"}


def test_a_report_imports_no_network():
    networks = ("wtal.nn", "wtal.losses", "wtal.branches", "wtal.collaboration")
    users = [f for f in FILES if part_of(f) == "report" and any(m.startswith(networks) for m in imports(f))]
    assert not users


def test_no_file_has_an_absolute_path():
    absolute = re.compile(r"(?<![\w.:/$}~<])/(home|root|work|tmp|opt|mnt|Users|data)/\w")
    text = [*FILES, *(ROOT / "configs").rglob("*.yaml"), *(ROOT / "experiments").rglob("*.py"), ROOT / "Makefile"]
    found = [str(file.relative_to(ROOT)) for file in text if absolute.search(file.read_text(encoding="utf-8"))]
    assert not found


def test_segments_are_in_no_type_that_a_training_step_sees():
    classes = {node.name: node for node in tree_of(ROOT / "wtal" / "types.py").body if isinstance(node, ast.ClassDef)}
    fields = {
        name: {
            node.target.id
            for node in classes[name].body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        for name in ("SnippetBatch", "Clips", "Pixels")
    }
    assert fields == {
        "SnippetBatch": {"streams", "mask", "grid_index", "labels", "video", "clips", "films"},
        "Clips": {"place", "pixels"},
        "Pixels": {"rgb", "flow", "images"},
    }
