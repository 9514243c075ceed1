"""Seconds of an evaluation: the vectorized one against the rule applied to one detection after another, in one run.

Made-up detections: jittered copies of made-up instances and noise, with THUMOS14's and ActivityNet 1.3's numbers of
videos and classes. The two slow ones are the references of the tests: plain Python, one detection and one threshold at
a time, and arrays, one detection at a time. They process a tenth of the detections, and their seconds, which grow with
the number of detections, are multiplied by ten. CPU seconds, so that a busy machine favours neither; medians of three.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import slow_references
from timing import options

from wtal.metrics.diagnosis import ACTIVITYNET_BINS, THUMOS14_BINS, diagnose
from wtal.metrics.rule_sets import RULE_SETS, evaluate

TIOUS = np.linspace(0.5, 0.95, 10)


def made_up(videos, classes, instances, detections, seed=0):
    """Detections and instances; a video has one class or two."""
    random = np.random.default_rng(seed)
    video = random.integers(videos, size=instances)
    label = (video + (random.random(instances) < 0.1)) % classes
    start = random.uniform(0, 200, instances)
    truth = np.column_stack([video, label, start, start + random.gamma(2, 3, instances) + 0.1])
    copied = truth[random.integers(instances, size=detections)]
    spans = copied[:, 2:] + random.normal(0, 1, (detections, 2)) * (copied[:, 3:] - copied[:, 2:3]) * 0.3
    noise = random.random(detections) < 0.5
    spans[noise] += random.uniform(-100, 100, (noise.sum(), 1))
    spans = np.sort(spans, axis=1)
    return np.column_stack([copied[:, :2], spans, random.random(detections)]), truth


def seconds(function, *args):
    took = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        function(*args)
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    return sorted(took)[1]


def plainly(detections, segments, tious):
    slow_references.average_precision(list(map(tuple, detections)), list(map(tuple, segments)), tious)


def main():
    quick = options(__doc__).parse_args().quick
    many = 20_000 if quick else 200_000
    columns = ("wall s", "CPU s", "plain Python", "ratio", "arrays", "ratio")
    print(f"{'':<34}" + "".join(f"{name:>15}" for name in columns))
    sets = {
        "THUMOS14, 20,000 detections": (212, 20, 3358, 20_000),
        "THUMOS14, 200,000 detections": (212, 20, 3358, 200_000),
        "ActivityNet, 200,000 detections": (4728, 200, 7293, 200_000),
        "ActivityNet, 1,000,000 detections": (4728, 200, 7293, 1_000_000),
    }
    for name, sizes in list(sets.items())[: 1 if quick else None]:
        detections, segments = made_up(*sizes)
        wall, cpu = seconds(evaluate, detections, segments, TIOUS)
        part = detections[: len(detections) // 10]
        cells = [f"{wall:.2f}", f"{cpu:.2f}"]
        for slow in (plainly, slow_references.official_map):
            took = 10 * seconds(slow, part, segments, TIOUS)[1]
            cells += [f"{took:.1f}", f"{took / cpu:.0f}"]
        print(f"{name:<34}" + "".join(f"{cell:>15}" for cell in cells))
    detections, segments = made_up(212, 20, 3358, many)
    for name, rules in RULE_SETS.items():
        wall, cpu = seconds(evaluate, detections, segments, TIOUS, rules)
        print(f"{f'{many:,} by {name}':<34}{wall:>15.2f}{cpu:>15.2f}")
    for name, sizes, bins in (
        ("THUMOS14", (212, 20, 3358, many), THUMOS14_BINS),
        ("ActivityNet", (4728, 200, 7293, many), ACTIVITYNET_BINS),
    ):
        made, class_names = made_up(*sizes), [str(number) for number in range(sizes[1])]
        wall, cpu = seconds(diagnose, *made, np.full(sizes[0], 1000.0), TIOUS, bins, class_names)
        print(f"{f'{many:,} diagnosed, {name}':<34}{wall:>15.2f}{cpu:>15.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
