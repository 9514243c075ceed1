import os
import pickle
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wtal.errors import FeatureError
from wtal.io.unpickle import iterate_joint_arrays, load_object_array, load_pickle


class Reduced:
    """An object that is pickled as a call."""

    def __init__(self, *reduction: Any) -> None:
        self.reduction = reduction

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduction


def objects(*items: Any) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def videos(*lengths: int, dtype: str = "f4") -> np.ndarray:
    return objects(*(np.arange(length * 3, dtype=dtype).reshape(length, 3) for length in lengths))


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


def with_pickle(path: Path, content: bytes, shape: tuple[int, ...] = (1,)) -> Path:
    """A file of an object array with this pickle."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": shape})
        file.write(content)
    return path


def read_all(path: Path) -> list[np.ndarray]:
    arrays: dict[int, np.ndarray] = {}
    assert iterate_joint_arrays(path, lambda place, array: arrays.update({place: array.copy()})) == len(arrays)
    return [arrays[place] for place in range(len(arrays))]


# What is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", "i8", ">f4"])
def test_joint_arrays_come_in_order(tmp_path: Path, dtype: str) -> None:
    joint = videos(4, 1, 7, dtype=dtype)
    read = read_all(save(tmp_path / "joint.npy", joint))
    for ours, theirs in zip(read, joint, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_joint_arrays_may_lie_in_fortran_order(tmp_path: Path) -> None:
    rows = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read_all(save(tmp_path / "joint.npy", objects(rows)))[0], rows)


@pytest.mark.parametrize("kind", [object, np.float32])
def test_joint_arrays_of_equal_length_may_be_one_array(tmp_path: Path, kind: type) -> None:
    whole = np.arange(12).reshape(2, 3, 2).astype(kind)
    read = read_all(save(tmp_path / "joint.npy", whole))
    assert len(read) == 2
    assert read[1].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert read[1].dtype == np.float32


def test_memory_holds_one_joint_array_at_a_time(tmp_path: Path) -> None:
    path = save(tmp_path / "joint.npy", objects(*(np.full((256, 1024), n, np.float32) for n in range(20))))  # 1 MB each
    tracemalloc.start()
    iterate_joint_arrays(path, lambda place, array: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    content = {
        "rgb": np.arange(60000, dtype="f4").reshape(-1, 3),
        "list": [1, 2.5, None, True, -(2**70), "é", b"\xff"],
        "names": np.array(["a", "bc"]),
        "objects": objects([1], (2, 3)).reshape(2, 1),
        "number": np.float32(1.5),
    }
    path = tmp_path / "some.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    read = load_pickle(path)
    assert read.keys() == content.keys()
    assert read["list"] == content["list"]
    np.testing.assert_array_equal(read["rgb"], content["rgb"])
    assert read["rgb"].dtype == np.float32
    assert read["names"].tolist() == ["a", "bc"]
    assert read["objects"].shape == (2, 1)
    assert read["objects"].tolist() == [[[1]], [(2, 3)]]
    assert read["number"] == 1.5


def test_an_array_may_be_named_twice(tmp_path: Path) -> None:
    rows = np.arange(3)
    path = tmp_path / "some.pkl"
    path.write_bytes(pickle.dumps([rows, {"again": rows}]))
    first, second = load_pickle(path)
    assert first.tolist() == second["again"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_pickles_of_either_numpy(tmp_path: Path, core: bytes) -> None:
    content = pickle.dumps(np.arange(3), protocol=2).replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", core)
    path = tmp_path / "some.pkl"
    path.write_bytes(content)
    assert load_pickle(path).tolist() == [0, 1, 2]


def test_pickles_of_python_2(tmp_path: Path) -> None:
    content = (
        b"\x80\x02(lp0\ncnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x08" + struct.pack("<2f", 1.5, -2) + b"tbaU\x03abca."
    )
    path = tmp_path / "some.pkl"
    path.write_bytes(content)
    rows, text = load_pickle(path)
    assert (rows.tolist(), text) == ([1.5, -2], b"abc")


def test_real_annotations(shared: Path) -> None:
    files = sorted((shared / "data").glob("*/*-Annotations/*.npy"))
    assert len(files) > 20
    for path in files:
        ours, theirs = load_object_array(path), np.load(path, allow_pickle=True, encoding="bytes")
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.tolist() == theirs.tolist()


# What is refused ------------------------------------------------------------------------------------------------


def pwn(folder: Path) -> Reduced:
    return Reduced(os.system, (f"touch {folder}/pwned",))


def readers(path: Path) -> list[Any]:
    return [lambda: load_object_array(path), lambda: read_all(path)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda evil: objects(evil),
        lambda evil: objects(np.zeros((2, 3)), [{"a": (evil,)}]),
        lambda evil: objects(objects(objects(evil))),
        lambda evil: objects(Reduced(np.ndarray, ((1,), evil))),
        lambda evil: objects(Reduced(np.dtype, (evil,))),
        lambda evil: objects(Reduced(np.array(0).__reduce__()[0], (np.ndarray, (0,), b"b"), evil)),
    ],
)
def test_no_payload_is_run(tmp_path: Path, wrap: Any) -> None:
    path = save(tmp_path / "evil.npy", wrap(pwn(tmp_path)))
    for read in readers(path):
        with pytest.raises(FeatureError, match=rf"{path} is refused, as it names `(posix|nt).system`"):
            read()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (eval, ("1",)),
        (getattr, ("a", "b")),
        (np.load, ("some.npy",)),
        (np.memmap, ("some.npy",)),
        (np.frombuffer, (b"abc",)),
        (np.lib.format.read_array, (None,)),
    ],
)
def test_functions_are_refused_by_name(tmp_path: Path, call: Any, arguments: tuple[Any, ...]) -> None:
    path = save(tmp_path / "evil.npy", objects(Reduced(call, arguments)))
    with pytest.raises(FeatureError, match=rf"names `.*{call.__name__}`"):
        load_object_array(path)


def test_the_package_hidden_by_another_is_refused(tmp_path: Path) -> None:
    path = with_pickle(tmp_path / "evil.npy", b"\x80\x04\x8c\x05numpy\x8c\x0ddtype.__new__\x93.")
    with pytest.raises(FeatureError, match=r"names `numpy.dtype.__new__`"):
        load_object_array(path)


@pytest.mark.parametrize(
    ("instruction", "content"),
    [
        ("i", b"(S'true'\nios\nsystem\n."),
        ("o", b"(cnumpy\ndtype\nS'f4'\no."),
        (r"\x81", b"\x80\x02cnumpy\ndtype\n)\x81."),
        (r"\x82", b"\x80\x02\x82\x01."),
        ("P", b"Pfile\n."),
        (r"\x97", b"\x80\x05\x97."),
        (r"\x8f", b"\x80\x04\x8f."),
    ],
)
def test_instructions_beyond_data_are_refused(tmp_path: Path, instruction: str, content: bytes) -> None:
    path = with_pickle(tmp_path / "evil.npy", content)
    for read in readers(path):
        with pytest.raises(FeatureError) as error:
            read()
        assert f"refused, as it holds the pickle instruction b'{instruction}'" in str(error.value)


@pytest.mark.parametrize("code", ["O8", "V8", "i4,O", "M8[s]", "{'names': ['a']}", "void"])
def test_no_type_poses_as_another(tmp_path: Path, code: str) -> None:
    """Addresses declared as plain bytes would be read as objects."""
    dtype = Reduced(np.dtype, ("f4", False, True), (3, "|", None, None, None, -1, -1, 0))
    evil = Reduced(np.array(0).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, (1,), dtype, False, b"A" * 8))
    content = pickle.dumps(objects(evil), protocol=0).replace(b"Vf4\n", f"V{code}\n".encode())
    path = with_pickle(tmp_path / "evil.npy", content)
    for read in readers(path):
        with pytest.raises(FeatureError, match="is refused, as it holds an array of"):
            read()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"\x80\x04.",
        b"\x80\x09.",
        b"\x80\x04h\x07.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.",  # a string of 1 EB
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
        b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"abc.",
        b"(" * 100000,
        b"]" * 100000 + b"a" * 99999 + b".",
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
        pickle.dumps([np.zeros(3)]),
    ],
)
def test_damaged_and_forged_pickles_are_named(tmp_path: Path, content: bytes) -> None:
    path = with_pickle(tmp_path / "bad.npy", content)
    tracemalloc.start()
    for read in readers(path):
        with pytest.raises(FeatureError, match=str(path)):
            read()
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("shape", [(10**12,), (2,), (0,), (1, 1), ()])
def test_a_header_with_another_shape_than_its_objects(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = with_pickle(tmp_path / "bad.npy", pickle.dumps(videos(4)), shape)
    for read in readers(path):
        with pytest.raises(FeatureError, match=str(path)):
            read()


@pytest.mark.parametrize("held", [objects(0, 1), objects(objects(*videos(2, 3)), 5)], ids=["numbers", "objects"])
def test_values_other_than_arrays_are_refused(tmp_path: Path, held: np.ndarray) -> None:
    with pytest.raises(FeatureError, match=r"does not hold the \d arrays"):
        read_all(save(tmp_path / "bad.npy", held))


def test_a_header_that_ends_in_its_length(tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00\xff\xff")
    for read in readers(path):
        with pytest.raises(FeatureError, match="a header of 65535 bytes"):
            read()


@pytest.mark.parametrize(
    ("version", "header", "message"),
    [
        (b"\x01\x00", "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n", "truncated"),
        (b"\x01\x00", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", "damaged"),
        (b"\x01\x00", "{'descr': __import__('os').system('true'), 'shape': (1,)}\n", "damaged"),
        (b"\x01\x00", "(" * 9000, "damaged"),
        (b"\x02\x00", None, "a header of 4294967295 bytes"),
        (b"\x09\x00", None, "damaged"),
    ],
)
def test_a_header_that_is_forged(tmp_path: Path, version: bytes, header: str | None, message: str) -> None:
    path = tmp_path / "bad.npy"
    text = (header or "").encode()
    length = struct.pack("<H", len(text)) if header else b"\xff\xff\xff\xff"
    path.write_bytes(b"\x93NUMPY" + version + length + text)
    for read in readers(path):
        with pytest.raises(FeatureError, match=message):
            read()


def test_no_file(tmp_path: Path) -> None:
    for read in (*readers(tmp_path / "none.npy"), lambda: load_pickle(tmp_path)):
        with pytest.raises(FeatureError, match=f"{tmp_path}.* cannot be read"):
            read()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage_ends_in_a_result_or_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    whole = save(tmp_path / "whole.npy", objects(np.arange(6.0).reshape(2, 3), [1, "a", b"b"])).read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place, value in data.draw(
        st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=4)
    ).items():
        if place < len(damaged):
            damaged[place] = value
    path = tmp_path / "damaged.npy"
    path.write_bytes(damaged)
    for read in readers(path):
        with suppress(FeatureError):
            read()
