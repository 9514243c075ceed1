"""Small changes of valid content: of its bytes, and of the values that it says."""

import io
import math
import zipfile
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np

_LENGTHS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**62, 2**63 - 1, 2**64 - 1)
DIGITS = "@digits@"  # in the place of a number of so many digits that Python refuses to write it
_TEXTS = (
    "", " ", "a", "nan", "inf", "-1", "1e400", "0x10", "1_0", "१२", "a\0b", "a\nb", "\ud800", "\x1b[2J", "\u202eabc",
    "../../etc/passwd", "/etc/passwd", "..", "con", "[/red]", "<script>alert(1)</script>", "=cmd()", "é" * 300,
    "x" * 100_000, "os.system", "subprocess.Popen", "{a: b}", "!!python/name:os.system", "$HOME", "%s{}{0}", "a,b\tc",
)  # fmt: skip
_PLAIN: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 255, 2**31, 2**63, -(2**63), 2**64, 10**400, DIGITS, 0.0, -0.0, 0.5, 1e-320,
    1e308, -1e308, 1e300, math.nan, math.inf, -math.inf, [], {}, [[]], [None], {"": None}, [1, 2, 3],
    ["a", "b"], [0.5, 0.25], [2, 1], {"a": {"b": []}}, *_TEXTS,
)  # fmt: skip
_KINDS = (
    *("f2", "f4", "f8", ">f4", "i1", "i4", "i8", "u1", "u8", "?", "c8", "c16"),
    *("S3", "U3", "M8[s]", "m8[s]", "V4", "O", "f4,i4", "f4,(2,)f4"),
)
_SHAPES = ((), (0,), (1,), (3,), (4,), (0, 4), (4, 0), (1, 1), (3, 4), (4, 3), (5, 4), (2, 3, 4), (1,) * 30)


def deep(levels: int) -> list[Any]:
    """A list in a list in a list ..."""
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def laughs(levels: int, of: Any = 0.5) -> list[Any]:
    """A list that holds itself ten times over, level by level, in little memory."""
    nested = [of] * 10
    for _ in range(levels):
        nested = [nested] * 10
    return nested


def odd_array(random: Random) -> np.ndarray:
    """An array of any type and shape."""
    shape, kind = random.choice(_SHAPES), np.dtype(random.choice(_KINDS))
    array = np.zeros(shape, kind)
    if kind.kind == "f" and array.size:
        array.flat[random.randrange(array.size)] = random.choice(
            (math.nan, math.inf, 1e300 if kind.itemsize > 4 else 1)
        )
    if kind.kind == "O":
        for place in np.ndindex(*shape):
            array[place] = random.choice((*_PLAIN[:30], b"a", b"\xff", np.zeros((2, 4)), laughs(3)))
    return array


def odd_value(random: Random, arrays: bool = False) -> Any:
    """Anything that a value may be."""
    if arrays and random.random() < 0.5:
        return odd_array(random)
    if random.random() < 0.1:
        return random.choice((random.uniform(-1e3, 1e3), random.randint(-100, 100), deep(500), laughs(2)))
    return random.choice(_PLAIN)


def changed_value(tree: Any, random: Random, odd: Callable[[], Any]) -> Any:
    """Nested lists, dictionaries and arrays of objects, changed in one to three places."""
    whole = [deepcopy(tree)]  # so that the root has a place too
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(whole))
        holder, key = random.choice(places)
        action = random.randrange(8)
        if (action == 0 and isinstance(holder, dict)) or (
            action == 1 and isinstance(holder, list) and holder is not whole
        ):
            del holder[key]
        elif action == 2 and isinstance(holder, list) and holder is not whole:
            holder.insert(key, deepcopy(holder[key]))
        elif action == 3 and isinstance(holder, dict):
            holder[random.choice(("", "a", "\ud800", "../x", "a\nb", 0, None, "x" * 1000))] = holder.pop(key)
        elif action == 4:
            other, name = random.choice(places)
            holder[key] = deepcopy(other[name])
        else:
            holder[key] = odd()
    return whole[0]


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Holders and keys of all values, a few levels down."""
    found, open_ones = [], [tree]
    while open_ones and len(found) < 500:
        holder = open_ones.pop()
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        found += [(holder, key) for key in keys]
        open_ones += [holder[key] for key in keys if _holds(holder[key])]
    return found


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list) or (
        isinstance(value, np.ndarray) and value.dtype.hasobject and value.ndim == 1
    )


def changed_bytes(content: bytes, random: Random) -> bytes:
    """Bytes overwritten, inserted, cut out, doubled or cut off; inside the members of an archive as often as not."""
    if content[:2] == b"PK" and random.random() < 0.7:
        return _changed_archive(content, random)
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at, size = random.randrange(len(data) + 1), random.choice((1, 1, 2, 4, 8, 16))
        action = random.randrange(7)
        if action == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif action == 1:
            data[at : at + size] = random.randbytes(size)
        elif action == 2:
            width = random.choice((1, 2, 4, 8))
            value = random.choice(_LENGTHS) % (1 << 8 * width)
            data[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))
        elif action == 3:
            del data[at : at + size]
        elif action == 4:
            data[at:at] = random.choice((b"\0", b"\n", b'"', b"[", b"{", b",", b"-", b"9" * 400, b"\xff", b"e999"))
        elif action == 5:
            start = random.randrange(len(data) + 1)
            data[at:at] = data[start : start + random.choice((4, 16, 64))]
        elif random.random() < 0.3:
            del data[at:]
    return bytes(data)


def _changed_archive(content: bytes, random: Random) -> bytes:
    """One member changed, its checksum right again; or the names of two exchanged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(list(members))
    action = random.randrange(10)
    if action == 0:
        members["../" + name] = members.pop(name)
    elif action == 1:
        other = random.choice(list(members))
        members[name], members[other] = members[other], members[name]
    else:
        members[name] = changed_bytes(members[name], random)
    packed = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return packed.getvalue()
