import subprocess
import sys

from wtal import _torchvision_compat


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_wtal_imports_nothing_heavy():
    assert python("import sys, wtal; print({'torch', 'torchvision', 'numpy'} & set(sys.modules))") == "set()"


def test_torchvision_imports_whether_its_extension_loads_or_not():
    code = (
        "import wtal, torch, torchvision, torchmetrics\n"
        "from torchvision.extension import _has_ops\n"
        "print(_has_ops() == bool(not wtal._torchvision_compat._declared), hasattr(torch.ops.torchvision, 'nms'))"
    )
    assert python(code) == "True True"


def test_what_does_not_need_the_extension_works():
    code = "import wtal, torch; from torchvision.transforms import Resize; print(Resize(2)(torch.ones(3, 4, 4)).shape)"
    assert python(code) == "torch.Size([3, 2, 2])"


def test_a_second_call_does_nothing():
    before = list(sys.meta_path)
    _torchvision_compat.install()
    assert sys.meta_path == before
