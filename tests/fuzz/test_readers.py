"""Reading any untrusted file ends in a result or one sentence, soon, in little memory and without running its code.

``WTAL_FUZZ_CASES`` is the number of changed files per reader, ``WTAL_FUZZ_SEED`` selects them.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz.attacks import ATTACKS
from fuzz.guard import complaint
from fuzz.kinds import KINDS, Kind
from fuzz.mutations import changed_bytes, changed_value, odd_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES, SEED = int(os.environ.get("WTAL_FUZZ_CASES", "40")), os.environ.get("WTAL_FUZZ_SEED", "0")
pytestmark = pytest.mark.filterwarnings("ignore")


class Place:
    """A folder of valid files, one of which is another each time."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.canary = kind, folder / "canary"
        self.folder = folder / "files"
        self.folder.mkdir()
        self.given = kind.write(self.folder)
        self.valid = {name: (self.folder / name).read_bytes() for name in kind.files}

    def complaint(self, name: str, change: Callable[[Path], object]) -> str | None:
        path = self.folder / name
        try:
            change(path)
            return complaint(lambda: self.kind.read(self.given), self.canary)
        finally:
            path.write_bytes(self.valid[name])

    def changed(self, random: Random, odd: Callable[[], Any]) -> str | None:
        """What is wrong with how one change of one file is handled."""
        name = random.choice(list(self.kind.files))
        content, dump = self.kind.files[name]

        def change(path: Path) -> None:
            if random.random() < 0.5:
                path.write_bytes(changed_bytes(self.valid[name], random))
            else:
                with suppress(Exception):  # what cannot be written need not be read
                    dump(path, changed_value(content, random, odd))

        return self.complaint(name, change)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    kind = Place(KINDS[request.param], tmp_path)
    monkeypatch.chdir(kind.folder)
    return kind


def kinds(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", names or KINDS, indirect=True)


@kinds()
def test_valid_files_are_read(place: Place) -> None:
    place.kind.read(place.given)


@kinds()
def test_changed_files(place: Place, request: pytest.FixtureRequest) -> None:
    found: Counter[str] = Counter()
    for number in range(CASES):
        random = Random(f"{request.node.callspec.id} {SEED} {number}")
        problem = place.changed(random, lambda random=random: odd_value(random, place.kind.arrays))
        if problem is not None:
            found[f"{problem} (first with number {number})"] += 1
    assert not found, "\n".join(f"{count} times {problem}" for problem, count in found.most_common())


@kinds()
@settings(max_examples=max(10, CASES // 5), suppress_health_check=list(HealthCheck), database=None)
@given(random=st.randoms(use_true_random=False), data=st.data())
def test_values_of_any_kind(place: Place, random: Random, data: st.DataObject) -> None:
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    anything = st.recursive(leaf, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=9)
    assert place.changed(random, lambda: data.draw(anything)) is None


@kinds()
def test_attacks(place: Place) -> None:
    found = []
    for name in place.kind.files:
        for title, (endings, attack) in ATTACKS.items():
            if name.endswith(endings):
                problem = place.complaint(name, lambda path, attack=attack: attack(path, place.canary))
                found += [f"{name}: {title}: {problem}"] if problem is not None else []
    assert not found, "\n".join(found)
