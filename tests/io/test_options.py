import subprocess
import sys
from pathlib import Path

import pytest

from wtal.io.options import plain_options

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--then-test", "--then_test"),
        ("--trainer.max-epochs=9", "--trainer.max_epochs=9"),
        ("--name=my-run", "--name=my-run"),
        ("--data.init_args.held-out=a=b-c", "--data.init_args.held_out=a=b-c"),
        ("--trainer.callbacks+=own-file.yaml", "--trainer.callbacks+=own-file.yaml"),
        ("my-run", "my-run"),
        ("-c", "-c"),
        ("-1.5", "-1.5"),
        ("--", "--"),
    ],
)
def test_names_of_options_take_underscores_and_values_stay(word: str, expected: str):
    assert plain_options([word]) == [expected]


def test_what_follows_a_lone_double_dash_stays():
    assert plain_options(["--a-b", "--", "--a-b"]) == ["--a_b", "--", "--a-b"]


def test_it_imports_nothing_heavy():
    code = "import sys, wtal.io.options; print(sorted({'torch', 'numpy', 'yaml', 'jsonargparse'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
