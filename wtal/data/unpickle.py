"""Object arrays in ``.npy`` files without running what strangers put there.

Such a file is a pickle, and unpickling runs any function that it names. Here the names of numpy's own reconstruction are
known and nothing else; the rest is refused by name.
"""

import _codecs
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wtal.errors import FeatureError

__all__ = ["iterate_joint_arrays", "load_object_array", "load_pickle"]

_NUMPY = ("numpy.core", "numpy._core")
_LARGE = 1 << 16  # bytes; what is larger is not remembered for a second use in the same pickle


class _Array:
    """Stands for an array while its pickle is read; numeric ones are handed over at once."""

    def __init__(self, take: Callable[[np.ndarray], Any]) -> None:
        self.take, self.value = take, None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, content = state[-4:]
        if not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("an array without a type")
        if dtype.hasobject:
            self.value = list(content)
            return
        raw = content.encode("latin1") if isinstance(content, str) else content
        self.value = self.take(np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C"))


class _Unpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """The pure Python unpickler, with numpy's names alone, forgetting large strings when they have been used."""

    dispatch = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]

    def __init__(self, file: BinaryIO, take: Callable[[np.ndarray], Any]) -> None:
        super().__init__(file, encoding="bytes")
        self.take = take

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        if isinstance(module, bytes):
            module, name = module.decode(), name.decode()  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _codecs.encode
        if any(module == f"{root}.multiarray" for root in _NUMPY):
            if name == "_reconstruct":
                return lambda *_: _Array(self.take)
            if name == "scalar":
                return _scalar
        if any(module == f"{root}.numeric" for root in _NUMPY) and name == "_frombuffer":
            return self._from_buffer
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")

    def _from_buffer(self, buffer: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> Any:  # noqa: ANN401
        return self.take(np.frombuffer(buffer, dtype).reshape(shape, order=order))  # type: ignore[call-overload]

    def _keep(self, read_index: Callable[[], int]) -> None:
        index = read_index()
        top = self.stack[-1]
        if not _is_large(top):
            self.memo[index] = top

    def load_binput(self) -> None:
        self._keep(lambda: self.read(1)[0])

    def load_long_binput(self) -> None:
        self._keep(lambda: int.from_bytes(self.read(4), "little"))

    def load_put(self) -> None:
        self._keep(lambda: int(self.readline()[:-1]))

    def load_memoize(self) -> None:
        index = len(self.memo)
        top = self.stack[-1]
        self.memo[index] = None if _is_large(top) else top

    dispatch[pickle.BINPUT[0]] = load_binput
    dispatch[pickle.LONG_BINPUT[0]] = load_long_binput
    dispatch[pickle.PUT[0]] = load_put
    dispatch[pickle.MEMOIZE[0]] = load_memoize


def _is_large(value: Any) -> bool:  # noqa: ANN401
    """Whether it is the content of an array, or the tuple around it."""
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, bytes | str) and len(part) > _LARGE for part in parts)


def _scalar(dtype: np.dtype[Any], content: bytes | str) -> Any:  # noqa: ANN401
    if dtype.hasobject:
        raise pickle.UnpicklingError("a scalar that is an object")
    raw = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(raw, dtype, count=1)[0]


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Arrays in the place of their stand-ins, at any depth."""
    if isinstance(value, _Array):
        return _object_array([_plain(item) for item in value.value]) if isinstance(value.value, list) else value.value
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _object_array(items: list[Any]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def _load(path: Path, file: BinaryIO, take: Callable[[np.ndarray], Any]) -> Any:  # noqa: ANN401
    try:
        return _Unpickler(file, take).load()
    except FeatureError:
        raise
    except RecursionError as error:
        raise FeatureError(f"{path} is nested too deeply to be an array: download it again.") from error
    except pickle.UnpicklingError as error:
        raise FeatureError(f"{path} is refused, as {error}: a file of arrays needs no code; get it from its authors.") from error
    except Exception as error:  # a broken pickle fails in any way there is
        said = f"{type(error).__name__}: {error}"
        raise FeatureError(f"{path} is truncated or damaged ({said[:120]}): download it again.") from error


def _payload(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a ``.npy`` file, its position set to the content."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except (ValueError, EOFError, OSError) as error:
        raise FeatureError(f"{path} is no .npy file ({error}): download it again.") from error
    return shape, dtype


def load_object_array(path: Path) -> np.ndarray:
    """Read a ``.npy`` file, an array of objects or not, without running anything.

    Strings of Python 2 come as bytes.

    Raises:
        FeatureError: If the file is missing, damaged, or names anything but arrays.
    """
    try:
        with Path(path).open("rb") as file:
            _, dtype = _payload(path, file)
            if not dtype.hasobject:
                return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]
            content = _plain(_load(path, file, lambda array: array.copy()))
    except OSError as error:
        raise FeatureError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise FeatureError(f"{path} is truncated or damaged ({error}): download it again.") from error
    return content if isinstance(content, np.ndarray) else _object_array([content])


def load_pickle(path: Path) -> Any:  # noqa: ANN401
    """Read a ``.pkl`` of arrays, lists and dictionaries, without running anything.

    Raises:
        FeatureError: If the file is missing, damaged, or names anything but arrays.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FeatureError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _plain(_load(path, io.BytesIO(content), lambda array: array.copy()))


def iterate_joint_arrays(path: Path, take: Callable[[int, np.ndarray], None]) -> int:
    """Hand over the arrays of an object array one by one, so that memory holds one of them at a time.

    Args:
        path: A ``.npy`` file whose one-dimensional object array holds numeric arrays.
        take: Called with the place and the array, which must not be kept.

    Returns:
        How many there were.

    Raises:
        FeatureError: If the file is missing, damaged, names anything but arrays, or holds something else.
    """
    places: Iterator[int] = iter(range(1 << 62))

    def hand_over(array: np.ndarray) -> int:
        place = next(places)
        take(place, array)
        return place

    try:
        with Path(path).open("rb") as file:
            shape, dtype = _payload(path, file)
            if not dtype.hasobject or len(shape) != 1:
                raise FeatureError(f"{path} holds an array of shape {shape}, not one array a video: is it a joint feature file?")
            content = _load(path, file, hand_over)
    except OSError as error:
        raise FeatureError(f"{path} cannot be read: {error.strerror or error}.") from error
    order = [item.value if isinstance(item, _Array) else item for item in content.value]
    if order != list(range(shape[0])):
        raise FeatureError(f"{path} says it holds {shape[0]} arrays and holds {len(order)}: download it again.")
    return len(order)
