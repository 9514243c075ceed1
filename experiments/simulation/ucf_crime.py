"""Simulate UCF-Crime over its real annotations, and write what a comparison needs.

    python experiments/simulation/ucf_crime.py Temporal_Anomaly_Annotation.txt runs/ucf_simulated
    wtal compare --config anomaly/synthetic.yaml runs/ucf_simulated/anomaly.yaml --output runs/ucf --seeds 0 1 2

Anomalies of the test videos are those of the file. The training videos of UCF-Crime have no annotation: each takes the
course of a random test video of its kind, shifted by a random time. Durations are not annotated either: a video ends 5
to 40 seconds after its last anomaly, and a normal one lasts as long as a random abnormal one. Training sees labels of
whole videos alone.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from wtal.data.annotations import read_annotations
from wtal.data.anomaly_truth import AnnotatedVideo, read_frame_annotations
from wtal.simulation.generation import simulate
from wtal.simulation.params import CLIPParams, I3DParams, ShotParams, SimulationParams

FPS = 30.0
PARAMS = SimulationParams(
    ShotParams(length_s=20.0, same_scene=0.7, shared_scene=1.0),
    i3d=I3DParams(dim=128, nuisances=20),
    clip=CLIPParams(dim=64),
    fps=FPS,
)


def entry(video: AnnotatedVideo, subset: str, shift: int, rest_s: float) -> dict[str, object]:
    """A video in ActivityNet's form."""
    spans = [(one.kind, (one.first + shift) / FPS, (one.last + 1 + shift) / FPS) for one in video.intervals]
    segments = [{"label": kind, "segment": [start, end]} for kind, start, end in spans]
    last = max((end for _, _, end in spans), default=0.0)
    return {"subset": subset, "duration": last + rest_s, "annotations": segments}


def videos_of(annotated: list[AnnotatedVideo], train: int, seed: int) -> Iterator[tuple[str, dict[str, object]]]:
    """All test videos, and as many training videos, half of them normal."""
    rng = np.random.default_rng(seed)
    abnormal = [video for video in annotated if video.kinds]
    lengths = []
    for video in abnormal:
        made = entry(video, "test", 0, float(rng.uniform(5, 40)))
        lengths.append(made["duration"])
        yield video.video_id, made
    for video in annotated:
        if not video.kinds:
            yield video.video_id, entry(video, "test", 0, float(rng.choice(lengths)))
    kinds = sorted({video.kinds[0] for video in abnormal})
    for number in range(train):
        normal = number % 2 == 1
        kind = kinds[(number // 2) % len(kinds)]
        model = abnormal[int(rng.choice([i for i, video in enumerate(abnormal) if video.kinds[0] == kind]))]
        model = replace(model, intervals=()) if normal else model
        earliest = min((one.first for one in model.intervals), default=0)
        shift = int(rng.integers(-min(earliest, 600), 600))
        rest_s = float(rng.choice(lengths) if normal else rng.uniform(5, 40))
        yield f"train_{number:04d}", entry(model, "train", shift, rest_s)


def main() -> None:
    """Write annotations, simulated features and a configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", type=Path, help="UCF-Crime's Temporal_Anomaly_Annotation.txt")
    parser.add_argument("output", type=Path)
    parser.add_argument("--train", type=int, default=200, help="number of training videos; UCF-Crime has 1610")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    annotated = read_frame_annotations(given.annotations)
    given.output.mkdir(parents=True, exist_ok=True)
    file = given.output / "annotations.json"
    file.write_text(json.dumps({"database": dict(videos_of(annotated, given.train, given.seed))}, indent=1))
    features = given.output / "features"
    made = simulate(read_annotations(file), features, PARAMS, given.seed, dtype="float32")
    streams = {name: {"path": str(features / name)} for name in ("i3d", "clip")}
    data = {
        "class_path": "wtal.data.CustomDataModule",
        "init_args": {
            "task": "anomaly",
            "tious": [0.1, 0.2, 0.3, 0.4, 0.5],
            "annotations": str(file),
            "name": "ucf-crime simulated",
            "features_note": made.note,
            "cache": True,
            "num_snippets": 160,
            **streams,
        },
    }
    text = {"init_args": {"path": str(features / "clip" / "text.npy"), "residual": 1.0}}
    vlp = {"init_args": {"head": {"init_args": {"dim": 64, "text": {"class_path": "wtal.nn.text.FileText", **text}}}}}
    cbp = {"init_args": {"head": {"init_args": {"in_dim": 256}}}}
    settings = {"model": {"init_args": {"cbp": cbp, "vlp": vlp}}, "data": data}
    (given.output / "anomaly.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    print(f"{made.videos} videos, {made.snippets} snippets, {made.note}")


if __name__ == "__main__":
    main()
