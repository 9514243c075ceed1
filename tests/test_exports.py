"""What users import is importable from the obvious place, and what is light stays light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wtal

ROOT = Path(wtal.__file__).parent
INTERNAL = ("commands", "io", "training", "report/page", "comparison")  # rooms from which users import nothing
INTERNAL_MODULES = ("data/records.py", "results/cues.py", "sweep/board.py", "video/clock.py")
FUNCTIONS_TOO = ("functional", "losses", "metrics", "localization")
PACKAGES = sorted(
    name
    for name in (folder.parent.relative_to(ROOT).as_posix() for folder in ROOT.rglob("__init__.py"))
    if name != "." and not name.startswith(INTERNAL)
)


def public_names(package: str) -> set[str]:
    """Classes, and in pure rooms functions, that a package's modules declare as their own and public."""
    found = set()
    for file in (ROOT / package).glob("[!_]*.py"):
        if file.relative_to(ROOT).as_posix() in INTERNAL_MODULES:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        kinds = (ast.ClassDef, ast.FunctionDef) if package in FUNCTIONS_TOO else (ast.ClassDef,)
        defined = {node.name for node in tree.body if isinstance(node, kinds)}
        exported = next(
            (
                ast.literal_eval(n.value)
                for n in tree.body
                if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
            ),
            (),
        )
        found |= defined & set(exported)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_what_is_public_in_its_modules(package):
    module = importlib.import_module(f"wtal.{package.replace('/', '.')}")
    exported = getattr(module, "__all__", [])
    assert public_names(package) <= set(exported)
    for name in exported:
        assert callable(getattr(module, name)) or name.isupper() or name == "RuleSetName"
        assert name in dir(module)


def test_the_package_itself_exports_what_a_notebook_needs():
    assert {name: getattr(wtal, name).__name__ for name in wtal.__all__} == {name: name for name in wtal.__all__}
    assert (
        {"Run", "VideoScores", "load", "predict", "localize", "evaluate", "plot"} == set(wtal.__all__) <= set(dir(wtal))
    )
    with pytest.raises(AttributeError, match="module 'wtal' has no attribute 'lode'"):
        _ = wtal.lode


def test_light_packages_load_no_torch():
    code = (
        "import sys\n"
        "import wtal.data, wtal.results, wtal.metrics.rule_sets, wtal.sweep, wtal.report, wtal.video, wtal.extraction\n"
        "from wtal.metrics import evaluate\n"
        "from wtal.data import Annotations\n"
        "from wtal.results import GroundTruth, read_predictions\n"
        "print(sorted({'torch', 'pytorch_lightning', 'matplotlib', 'av', 'cv2', 'scipy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"
