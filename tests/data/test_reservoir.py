from collections import Counter

import numpy as np
import pytest

from wtal.data import Reservoir
from wtal.errors import ConfigError


def stream(count: int, seed: int) -> list[tuple[str, str]]:
    """Many videos of one class and few of two others."""
    rng = np.random.default_rng(seed)
    return [
        (f"v{i}", str(label)) for i, label in enumerate(rng.choice(["run", "jump", "dive"], count, p=[0.8, 0.15, 0.05]))
    ]


def test_rare_classes_are_not_crowded_out():
    memory, videos = Reservoir(30, seed=1), stream(400, 0)
    for name, label in videos:
        memory.offer(name, [label])
    offered, held = Counter(label for _, label in videos), Counter(memory.held.values())
    assert len(memory.held) == 30
    assert held == Counter({"run": 10, "jump": 10, "dive": 10})
    assert min(offered.values()) > 10
    assert memory.offered == offered


def test_a_class_that_was_never_the_largest_is_held_as_a_whole():
    memory = Reservoir(10)
    for name, label in [*((f"r{i}", "run") for i in range(50)), ("j0", "jump"), ("j1", "jump")]:
        memory.offer(name, [label])
    assert {"j0", "j1"} <= memory.held.keys()


def test_of_one_class_every_video_is_held_alike_often():
    counts: Counter[str] = Counter()
    for seed in range(600):
        memory = Reservoir(5, seed)
        for i in range(20):
            memory.offer(f"v{i}", ["run"])
        counts.update([*memory.held])
    share = np.array([counts[f"v{i}"] for i in range(20)]) / 600
    assert np.abs(share - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 600)  # reservoir sampling is uniform


def test_what_is_dropped_is_named_and_the_rest_stays_in_order():
    memory, alive = Reservoir(4, seed=3), []
    for name, label in stream(60, 2):
        dropped = memory.offer(name, [label])
        alive = [one for one in [*alive, name] if one != dropped]
        assert list(memory.held) == alive


def test_a_video_of_several_labels_counts_for_the_rarest_one():
    memory = Reservoir(3)
    memory.offer("a", ["run"])
    memory.offer("b", ["run", "jump"])
    memory.offer("c", [])
    assert memory.held == {"a": "run", "b": "jump", "c": ""}


def test_a_saved_memory_goes_on_as_if_nothing_had_happened():
    whole, first, second = Reservoir(6, 5), Reservoir(6, 5), Reservoir(6, 5)
    videos = stream(80, 4)
    for name, label in videos:
        whole.offer(name, [label])
    for name, label in videos[:37]:
        first.offer(name, [label])
    second.load_state_dict(first.state_dict())
    for name, label in videos[37:]:
        second.offer(name, [label])
    assert second.held == whole.held
    assert second.state_dict() == whole.state_dict()


def test_an_empty_memory_is_refused():
    with pytest.raises(ConfigError, match="at least 1 video, not 0"):
        Reservoir(0)
