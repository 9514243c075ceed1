"""Pickled arrays in untrusted files, read without running code from them.

A pickle is a program that may call any function that it names. Here it may only build numbers, strings, lists, tuples,
dictionaries and arrays of plain types. Anything else is refused by name; even numpy's own constructors are not called.
"""

import os
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from wtal.errors import FeatureError
from wtal.io.bounds import read_npy_header

__all__ = ["iterate_joint_arrays", "load_object_array", "load_pickle"]

_LARGE = 1 << 16  # bytes; anything larger is not kept for a second use in the same pickle
_PLAIN = re.compile(r"[biufcSU]\d+|O[48]?|\?")  # no fields, dates or anything that could pose as another type

_Base: Any = pickle._Unpickler  # the one in Python, because the one in C keeps everything it has read
_INSTRUCTIONS = """
    PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 LIST EMPTY_LIST APPEND APPENDS DICT EMPTY_DICT SETITEM SETITEMS
    BYTEARRAY8 GLOBAL STACK_GLOBAL REDUCE BUILD PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""


class _Pending:
    """An array or type that a pickle has named but not yet described; once it has, ``value`` is set."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code  # name of a type, None for an array
        self.value: Any = None


class _Instructions(dict[int, Callable[[Any], None]]):
    """The instructions that a pickle may use."""

    def __missing__(self, key: int) -> Callable[[Any], None]:
        raise pickle.UnpicklingError(f"it holds the pickle instruction {bytes([key])!r}")


class _File:
    """A file that allocates no memory for more bytes than it has."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.readline = file, file.readline
        self.size = os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        if count > _LARGE and count > self.size - self.file.tell():
            raise EOFError("it ends too early")
        return self.file.read(count)


class _Unpickler(_Base):  # type: ignore[misc]
    """Reads a pickle, with Python 2 strings as bytes.

    Args:
        file: The pickle.
        take: Called with each array of numbers or strings; its result takes the place of the array.
    """

    def __init__(self, file: IO[bytes], take: Callable[[np.ndarray], Any]) -> None:
        super().__init__(_File(file), encoding="bytes")
        self.take, self.memoized = take, 0

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        known = {"_codecs.encode": _encode, "numpy.dtype": _type, "numpy.ndarray": "numpy.ndarray"}
        for core in ("numpy.core", "numpy._core"):  # before and after numpy 2
            known[f"{core}.multiarray._reconstruct"] = lambda *_: _Pending()
            known[f"{core}.multiarray.scalar"] = _scalar
            known[f"{core}.numeric._frombuffer"] = self._from_buffer
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"it names `{module}.{name}`")
        return known[f"{module}.{name}"]

    def load_build(self) -> None:
        state, pending = self.stack.pop(), self.stack[-1]
        if not isinstance(pending, _Pending) or pending.value is not None:
            raise pickle.UnpicklingError("it changes something other than a new array")
        pending.value = _described_type(pending.code, state) if pending.code else self._described_array(state)
        self.stack[-1] = pending.value

    def _described_array(self, state: tuple[Any, ...]) -> Any:  # noqa: ANN401
        shape, dtype, fortran, content = state[-4:]
        order = "F" if fortran else "C"
        if dtype != np.dtype(object):
            return self._from_buffer(content, dtype, shape, order)
        if not isinstance(content, list):
            raise pickle.UnpicklingError("it holds an array of objects without its objects")
        array = np.empty(len(content), object)
        for place, item in enumerate(content):
            array[place] = item
        return array.reshape(shape, order=order)  # type: ignore[call-overload]

    def _from_buffer(self, content: bytes | str, dtype: object, shape: tuple[int, ...], order: str) -> Any:  # noqa: ANN401
        if not isinstance(dtype, np.dtype) or dtype.hasobject:
            raise pickle.UnpicklingError("it holds an array without a type")
        return self.take(np.frombuffer(_bytes(content), dtype).reshape(shape, order=order))  # type: ignore[call-overload]

    def load_bytearray8(self) -> None:
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    def _remember(self, index: int) -> None:
        top = self.stack[-1]
        if not any(isinstance(x, bytes | str) and len(x) > _LARGE for x in (top if isinstance(top, tuple) else (top,))):
            self.memo[index] = top

    def load_put(self) -> None:
        self._remember(int(self.readline()))

    def load_binput(self) -> None:
        self._remember(self.read(1)[0])

    def load_long_binput(self) -> None:
        self._remember(int.from_bytes(self.read(4), "little"))

    def load_memoize(self) -> None:
        self._remember(self.memoized)
        self.memoized += 1  # the size of the memo would not count what was not kept

    def _recall(self, index: int) -> None:
        item = self.memo[index]
        self.append(item.value if isinstance(item, _Pending) and item.value is not None else item)

    def load_get(self) -> None:
        self._recall(int(self.readline()))

    def load_binget(self) -> None:
        self._recall(self.read(1)[0])

    def load_long_binget(self) -> None:
        self._recall(int.from_bytes(self.read(4), "little"))


def _dispatch() -> _Instructions:
    codes = [getattr(pickle, name)[0] for name in _INSTRUCTIONS.split()]
    return _Instructions({code: getattr(_Unpickler, _Base.dispatch[code].__name__) for code in codes})


_Unpickler.dispatch = _dispatch()


def _bytes(content: bytes | str) -> bytes:
    return content.encode("latin1") if isinstance(content, str) else content


def _encode(text: str, encoding: str | bytes) -> bytes:
    """Bytes, in the form in which Python 3 pickles them for Python 2."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}")
    return text.encode("latin1")


def _type(code: str | bytes, *_: object) -> _Pending:
    name = code.decode("ascii") if isinstance(code, bytes) else str(code)
    if not _PLAIN.fullmatch(name):
        raise pickle.UnpicklingError(f"it holds an array of the type {name[:40]!r}")
    return _Pending(name)


def _described_type(code: str, state: tuple[Any, ...]) -> np.dtype[Any]:
    """The type; only the byte order of its description is used, as the rest can make one type pose as another."""
    order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
    if order not in ("<", ">", "|", "="):
        raise pickle.UnpicklingError(f"it holds numbers in the byte order {order!r}")
    return np.dtype(object if code.startswith("O") else code).newbyteorder(order)  # type: ignore[arg-type]


def _scalar(dtype: np.dtype[Any], content: bytes | str) -> Any:  # noqa: ANN401
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise pickle.UnpicklingError("it holds a number without a type")
    return np.frombuffer(_bytes(content), dtype, count=1)[0]


def _load(path: Path, file: IO[bytes], take: Callable[[np.ndarray], Any]) -> Any:  # noqa: ANN401
    try:
        return _Unpickler(file, take).load()
    except (FeatureError, OSError):
        raise
    except pickle.UnpicklingError as error:
        raise FeatureError(
            f"{path} is refused, as {error}, which no array needs: save arrays of NumPy alone (tensors with "
            "`torch.save`, tables as CSV), or get the file from its authors."
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise FeatureError(f"{path} is truncated or damaged ({str(error)[:100]}): download it again.") from error


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise FeatureError(f"{path} cannot be read: {error.strerror}.") from error


def _read_plain(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    try:
        return np.load(path, mmap_mode, allow_pickle=False)  # type: ignore[no-any-return]
    except ValueError as error:
        raise FeatureError(f"{path} is damaged ({str(error)[:100]}): download it again.") from error


def _numbers(path: Path) -> np.ndarray:
    try:
        return load_object_array(path).astype(np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise FeatureError(
            f"{path} holds something other than numbers ({error}): check that it is the right file."
        ) from error


def load_object_array(path: Path) -> np.ndarray:
    """Read a ``.npy`` file, of objects or not, without running code from it.

    Python 2 strings become bytes.

    Raises:
        FeatureError: If the file is missing, damaged, or holds anything but plain data and arrays.
    """
    path = Path(path)
    with _open(path) as file:
        shape, dtype = read_npy_header(path, file, path.stat().st_size)
        if not dtype.hasobject:
            return _read_plain(path)
        array = _load(path, file, np.copy)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise FeatureError(f"{path} does not hold what its header states: download it again.")
    return array


def load_pickle(path: Path) -> Any:  # noqa: ANN401
    """Read a pickle of arrays, lists, dictionaries, numbers and strings, without running code from it.

    Raises:
        FeatureError: If the file is missing, damaged, or holds anything else.
    """
    path = Path(path)
    with _open(path) as file:
        return _load(path, file, np.copy)


def iterate_joint_arrays(path: Path, take: Callable[[int, np.ndarray], None]) -> int:
    """Hand over the arrays in a ``.npy`` file one by one, so that memory holds only one of them at a time.

    Args:
        path: Path of a one-dimensional object array of arrays, or of one plain array whose first axis counts them.
        take: Function of the index and the array; it must not keep the array.

    Returns:
        Number of arrays.

    Raises:
        FeatureError: If the file is missing, damaged, or holds anything else.
    """
    path = Path(path)
    indices: list[int] = []

    def hand_over(array: np.ndarray) -> int:
        take(len(indices), array)
        indices.append(len(indices))
        return indices[-1]

    with _open(path) as file:
        shape, dtype = read_npy_header(path, file, path.stat().st_size)
        if dtype.hasobject and len(shape) == 1:
            array = _load(path, file, hand_over)
            _check_indices(path, array, shape, indices)
        elif len(shape) == 3:  # how NumPy saves videos of equal length
            for array in _numbers(path) if dtype.hasobject else _read_plain(path, "r"):
                hand_over(array)
        else:
            raise FeatureError(
                f"{path} holds an array of shape {shape}, not one array per video: check that it is the right file."
            )
    return len(indices)


def _check_indices(path: Path, array: object, shape: tuple[int, ...], indices: Sequence[int]) -> None:
    """Check that an object array holds, in order, the index of every array that was handed over."""
    is_whole = (
        isinstance(array, np.ndarray)
        and array.shape == shape
        and all(type(index) is int for index in array.flat)
        and array.tolist() == indices
    )
    if not is_whole:
        raise FeatureError(f"{path} does not hold the {shape[0]} arrays that its header states: download it again.")
