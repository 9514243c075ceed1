"""Files that were made to run code, to hang, or to ask for the whole memory; by the endings that they may have."""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from fuzz.mutations import deep, laughs

Attack = Callable[[Path, Path], object]  # writes the file; the second path is made by code that runs
DEEP, LONG = 10**6, 10**5


class Call:
    """Is pickled as a call that leaves a trace."""

    def __init__(self, function: Callable[..., object], *arguments: Any) -> None:
        self.reduction = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduction


def _calls(canary: Path) -> list[Any]:
    return [
        Call(os.mkdir, str(canary)),
        {"features": Call(eval, f"__import__('os').mkdir({str(canary)!r})")},
        [np.zeros((2, 4)), Call(exec, f"import os; os.mkdir({str(canary)!r})")],
    ]


def _bytes(content: bytes) -> Attack:
    return lambda path, canary: path.write_bytes(content)


def _text(content: str) -> Attack:
    return lambda path, canary: path.write_bytes(
        content.replace("CANARY", str(canary)).encode("utf-8", "surrogatepass")
    )


def _npy(header: str | bytes, content: bytes = b"", version: int = 1) -> bytes:
    text = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + content


def _shaped(shape: str, kind: str = "<f4", order: bool = False) -> bytes:
    return _npy(f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n", b"abcd" * 4)


def _objects(content: object) -> bytes:
    return _pickled(pickle.dumps(content))


def _pickled(content: bytes, shape: str = "(1,)") -> bytes:
    return _npy(f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}\n", content)


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _lying_zip(path: Path, canary: Path) -> None:
    """The directory says that a member has 3 GB, and its header agrees."""
    content = _zip({"features.npy": _shaped("(800000000,)")})
    size = struct.pack("<I", len(_shaped("(800000000,)")))
    path.write_bytes(content.replace(size, struct.pack("<I", 3_200_000_100)))


def _deflated(path: Path, canary: Path) -> None:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    zeros = _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6250000, 4), }\n", bytes(10**8))
    path.write_bytes(_zip({"features.npy": zeros}, zipfile.ZIP_DEFLATED))


def _h5(write: Callable[[h5py.File], object]) -> Attack:
    def attack(path: Path, canary: Path) -> None:
        with h5py.File(path, "w") as file:
            write(file)

    return attack


def _cycle(file: h5py.File) -> None:
    group = file.create_group("video_a")
    group["video_a"] = group
    file["video_b"] = file["/"]


def _torch(content: Callable[[Path], Any], **options: Any) -> Attack:
    return lambda path, canary: torch.save(content(canary), path, **options)


def _packed_torch(path: Path, canary: Path) -> None:
    """Torch would unpack it all."""
    plain = io.BytesIO()
    torch.save({"features": torch.zeros(2_000_000, 10)}, plain)
    with zipfile.ZipFile(plain) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path.write_bytes(_zip(members, zipfile.ZIP_DEFLATED))


def _wide(path: Path, canary: Path) -> None:
    """A model of settings that no machine can hold."""
    content = torch.load(path, weights_only=True) if path.suffix == ".ckpt" else {}
    settings = content.get("hyper_parameters", {})
    (settings.get("cbp", {}).get("init_args", settings).get("head") or {}).get("init_args", {}).update(
        in_dim=10**7, hidden=4096
    )
    torch.save(content, path)


_TEXTS = (".json", ".yaml", ".csv", ".tsv", ".txt")
_NPY, _PICKLES, _TORCH = (".npy",), (".pkl",), (".pt", ".ckpt")
_ALL = (*_TEXTS, *_NPY, *_PICKLES, *_TORCH, ".npz", ".h5")
_BOTTOMLESS = b"\x80\x04" + b"]" * LONG + b"a" * (LONG - 1) + b"."  # a pickled list in a list in a list ...
_LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))

ATTACKS: dict[str, tuple[tuple[str, ...], Attack]] = {
    "nothing": (_ALL, _bytes(b"")),
    "no text": (_ALL, _bytes(b"\xff\xfe\x00\x01" * 99)),
    "another kind": (_ALL, _bytes(b"PK\x03\x04" + bytes(60))),
    "NUL": (_TEXTS, _bytes(b"\0" * LONG)),
    "lists in lists": ((".json", ".yaml"), _bytes(b"[" * DEEP)),
    "closed lists in lists": ((".json",), _bytes(b"[" * 900 + b"]" * 900)),
    "objects in objects": ((".json", ".yaml"), _bytes(b'{"database":' * LONG)),
    "many digits": (_TEXTS, _text("9" * LONG)),
    "exponents": (_TEXTS, _text("[1e400, -1e400, NaN, Infinity]")),
    "half a surrogate pair": (_TEXTS, _text('{"\\ud800": "\\ud800"}')),
    "many commas": (_TEXTS, _text("," * 20_000 + "\n" + "," * 20_000)),
    "an open quotation": (_TEXTS, _text('video,label,start,end\n"' + "x\n" * LONG)),
    "a long line": (_TEXTS, _text("video label " + "x" * DEEP)),
    "a call in YAML": ((".yaml",), _text("a: !!python/object/apply:os.mkdir ['CANARY']\n")),
    "a new object in YAML": ((".yaml",), _text("!!python/object/new:os.mkdir ['CANARY']\n")),
    "aliases of aliases": ((".yaml",), _text(_LAUGHS)),
    "aliases of aliases below data": (
        (".yaml",),
        _text(_LAUGHS + "parameters: {a: {values: *a29}}\ndata: {class_path: *a29, init_args: {a: *a29}}\n"),
    ),
    "an alias of itself": (
        (".yaml",),
        _text("data: &a {class_path: x, init_args: *a}\nparameters: {a: {values: [*a]}}\n"),
    ),
    "a wrong date": ((".yaml",), _text("a: 2020-13-45\n")),
    "a wrong tag": ((".yaml",), _text("a: !!timestamp nothing\nb: !!bool maybe\n")),
    "a list as a key": ((".yaml",), _text("? [a, b]\n: c\n")),
    "a petabyte": (_NPY, _bytes(_shaped("(1000000000000000,)"))),
    "negative sizes": (_NPY, _bytes(_shaped("(-4, -4)"))),
    "sizes that overflow": (_NPY, _bytes(_shaped("(4611686018427387904, 4)"))),
    "nothing, of any width": (_NPY, _bytes(_shaped("(0, 1000000000000000000)"))),
    "nothing, beyond counting": (_NPY, _bytes(_shaped("(0, 1" + "0" * 30 + ")"))),
    "a hundred dimensions": (_NPY, _bytes(_shaped("(" + "1, " * 100 + ")"))),
    "long strings": (_NPY, _bytes(_shaped("(1,)", "<U500000000"))),
    "no size of elements": (_NPY, _bytes(_shaped("(1000000000000,)", "|S0"))),
    "a size that is true": (_NPY, _bytes(_shaped("(True, 4)"))),
    "code in a header": (_NPY, _bytes(_npy("{'descr': __import__('os').getcwd(), 'shape': (1,)}\n"))),
    "a header of gigabytes": (_NPY, _bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{")),
    "a deep header": (_NPY, _bytes(_npy("(" * 9000))),
    "many objects": (_NPY, _bytes(_pickled(b"\x80\x04N.", "(10000000000,)"))),
    "a call in an array": (_NPY, lambda path, canary: path.write_bytes(_objects(_calls(canary)[0]))),
    "a call in a list in an array": (_NPY, lambda path, canary: path.write_bytes(_objects(_calls(canary)))),
    "lists of lists of lists": (_NPY, _bytes(_objects(laughs(9)))),
    "a deep pickle": (_NPY, _bytes(_pickled(_BOTTOMLESS))),
    "an archive": (_NPY, _bytes(_zip({"features.npy": _shaped("(2, 2)")}))),
    "a petabyte in an archive": ((".npz",), _bytes(_zip({"features.npy": _shaped("(1000000000000000,)")}))),
    "a directory that lies": ((".npz",), _lying_zip),
    "zeros that unpack": ((".npz",), _deflated),
    "a call in an archive": (
        (".npz",),
        lambda path, canary: path.write_bytes(_zip({"features.npy": _objects(_calls(canary)[0])})),
    ),
    "many members": ((".npz",), _bytes(_zip({f"{i}.npy": b"" for i in range(20_000)}))),
    "no end of members": ((".npz",), _bytes(_zip({"../features.npy": _shaped("(2, 2)"), "/features.npy": b""}))),
    "a petabyte in HDF5": ((".h5",), _h5(lambda f: f.create_dataset("video_a", (10**12, 4), "f4", chunks=(64, 4)))),
    "a gigabyte in HDF5": ((".h5",), _h5(lambda f: f.create_dataset("video_a", (10**8, 4), "f4", chunks=(64, 4)))),
    "one array of HDF5 in another": ((".h5",), _h5(_cycle)),
    "another file by HDF5": ((".h5",), _h5(lambda f: f.__setitem__("video_a", h5py.ExternalLink("/etc/passwd", "a")))),
    "bytes of another file": (
        (".h5",),
        _h5(lambda f: f.create_dataset("video_a", (2, 4), "u1", external=[("/etc/passwd", 0, 8)])),
    ),
    "strings in HDF5": ((".h5",), _h5(lambda f: f.create_dataset("video_a", data=["a", "b"]))),
    "a virtual array": (
        (".h5",),
        _h5(lambda f: f.create_virtual_dataset("video_a", h5py.VirtualLayout((10**10, 4), "f4"))),
    ),
    "a link to nothing": ((".h5",), _h5(lambda f: f.__setitem__("video_a", h5py.SoftLink("/gone")))),
    "a call": (_PICKLES, lambda path, canary: path.write_bytes(pickle.dumps(_calls(canary)[0]))),
    "a call in a dictionary": (_PICKLES, lambda path, canary: path.write_bytes(pickle.dumps(_calls(canary)[1], 2))),
    "a call in a list": (_PICKLES, lambda path, canary: path.write_bytes(pickle.dumps(_calls(canary)[2], 0))),
    "lists that hold lists": (_PICKLES, _bytes(pickle.dumps(laughs(12)))),
    "arrays that lists hold": (_PICKLES, _bytes(pickle.dumps(laughs(7, np.zeros(4))))),
    "a list without bottom": (_PICKLES, _bytes(_BOTTOMLESS)),
    "a deep list": (_PICKLES, _bytes(pickle.dumps(deep(400)))),
    "a number of a million bits": (_PICKLES, _bytes(pickle.dumps([[1 << 10**6] * 4] * 2))),
    "a call in torch's file": (_TORCH, _torch(lambda canary: _calls(canary)[0])),
    "a call in torch's dictionary": (_TORCH, _torch(lambda canary: _calls(canary)[1])),
    "a call in torch's old file": (
        _TORCH,
        _torch(lambda canary: _calls(canary)[2], _use_new_zipfile_serialization=False),
    ),
    "a call in a checkpoint": (
        _TORCH,
        _torch(lambda canary: {"state_dict": {}, "class_names": [Call(os.mkdir, str(canary))]}),
    ),
    "a tensor spread out": (_TORCH, _torch(lambda _: {"features": torch.zeros(1, 1).expand(10**8, 10**3)})),
    "a double tensor spread out": (_TORCH, _torch(lambda _: {"features": torch.zeros(1, 1).double().expand(10**8, 4)})),
    "a sparse tensor": (_TORCH, _torch(lambda _: {"features": torch.zeros(3, 4).to_sparse()})),
    "a tensor of nothing": (_TORCH, _torch(lambda _: {"features": torch.empty(10**12, 4, device="meta")})),
    "complex numbers": (_TORCH, _torch(lambda _: {"features": torch.zeros(3, 4, dtype=torch.complex64)})),
    "weights spread out": (
        _TORCH,
        _torch(lambda _: {"state_dict": {"head.x": torch.zeros(1).expand(10**12)}, "class_names": ["a"], "epoch": 0}),
    ),
    "lists of lists in torch's file": (_TORCH, _torch(lambda _: {"features": laughs(12), "class_names": laughs(12)})),
    "a checkpoint of lists": (
        _TORCH,
        _torch(
            lambda _: {
                "state_dict": {},
                "class_names": laughs(12),
                "hyper_parameters": {"_class_path": "wtal.branches.CBPBranch", "head": laughs(12)},
            }
        ),
    ),
    "a packed archive": (_TORCH, _packed_torch),
    "too wide a model": ((".ckpt",), _wide),
}
