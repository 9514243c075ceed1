"""SIGKILL at random moments of every long command, again and again, until the command ends.

Each command runs once undisturbed. Then it is started, killed with all its processes after a random time, and started
again as users are told, until it ends. After each kill every file that has its final name must be whole; in the
end results must equal the undisturbed ones bit for bit. `--kills N` sets the kills of each command; the table shows
their number, how often the command was started, and what differed.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch
import yaml

import wtal
from wtal.data.manifest import read_manifest

ROOT = Path(wtal.__file__).parents[1]
CONFIG = ROOT / "configs" / "synthetic.yaml"
SHORT = ["--trainer.max_epochs=8", "--trainer.enable_progress_bar=false"]
SHORT += ["--model.init_args.schedule.warm_up=3", "--model.init_args.schedule.period=1"]
WTAL = [sys.executable, "-m", "wtal"]


@dataclass(frozen=True)
class Scenario:
    """A command and its result.

    Args:
        name: Name in the table.
        words: Words of the command, which both start and continue it.
        prepare: Makes the command's files in an empty folder, in which it then runs.
        result: Everything in the folder of an ended run that must not depend on interruptions.
    """

    name: str
    words: Sequence[str]
    prepare: Callable[[Path], None]
    result: Callable[[Path], object]


def nothing(folder):
    """No files are needed."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fitted(folder):
    newest = max(folder.rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)
    state = torch.load(newest, weights_only=True)["state_dict"]
    found = {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in sorted(state.items())}
    record = max(folder.rglob("record.json"), key=lambda file: file.stat().st_mtime)
    return found, digest(record.parent / "predictions" / "fused.json")


def compared(folder):
    table = pd.read_csv(folder / "out" / "comparison.csv").drop(columns="train_seconds")
    return table.to_csv(float_format="%.17g")


def swept(folder):
    found = [json.loads(path.read_text()) for path in sorted((folder / "out").glob("*/outcome.json"))]
    return [(one["status"], one["assignment"], one["metrics"]) for one in found]


def sweep_file(folder):
    parameters = {"model.init_args.schedule.pattern": {"values": ["W", "FB"]}}
    command = [*WTAL, "fit", "--config", str(CONFIG), *SHORT, "--then_test", "true", "${args}"]
    content = {"method": "grid", "metric": {"name": "test/fused/mAP", "goal": "maximize"}, "command": command}
    (folder / "sweep.yaml").write_text(yaml.safe_dump({**content, "parameters": parameters}))


def videos(folder):
    (folder / "videos").mkdir()
    for number in range(8):
        with av.open(str(folder / "videos" / f"{number}.mp4"), "w") as file:
            stream = file.add_stream("mpeg4", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for n in range(400):
                pixels = np.full((240, 320, 3), (n * (number + 1)) % 255, np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            file.mux(stream.encode(None))


def stored(folder):
    manifest = read_manifest(folder / "store" / "clip")
    return sorted((name, digest(folder / "store" / "clip" / f"{name}.npy")) for name in manifest.videos)


def joint_pickle(folder):
    made = np.empty(60, object)
    for place in range(60):
        made[place] = np.random.default_rng(place).random((200 + place, 2048), np.float32)
    np.save(folder / "Toy-I3D-JOINTFeatures.npy", made, allow_pickle=True)
    np.save(folder / "videoname.npy", np.array([f"v{place}".encode() for place in range(60)]))


def converted(folder):
    manifest = read_manifest(folder / "Toy-I3D-JOINTFeatures.store")
    return sorted((name, digest(folder / "Toy-I3D-JOINTFeatures.store" / f"{name}.npy")) for name in manifest.videos)


CONVERT = """
from pathlib import Path
from wtal.data.features import FeatureSource, open_features
open_features(FeatureSource(Path("Toy-I3D-JOINTFeatures.npy")), ["v0"], Path("videoname.npy"))
"""
TINY = ROOT / "tests" / "nn" / "model_configs" / "tiny-clip.json"
EXTRACT = ["extract", "videos", "--output", "store", "--streams", "clip", "--random-weights", "--clip-model", str(TINY)]
COMPARE = ["compare", "--config", "short.yaml", "--output", "out", "--methods", "late_fusion", "alternation"]


def short_config(folder):
    content = yaml.safe_load(CONFIG.read_text())
    content["trainer"] |= {"max_epochs": 8, "enable_progress_bar": False}
    content["model"]["init_args"]["schedule"] |= {"warm_up": 3, "period": 1}
    (folder / "short.yaml").write_text(yaml.safe_dump(content))


SCENARIOS = (
    Scenario("fit", [*WTAL, "fit", "-c", str(CONFIG), *SHORT, "--resume=true", "--then_test=true"], nothing, fitted),
    Scenario("compare", [*WTAL, *COMPARE], short_config, compared),
    Scenario("sweep", [*WTAL, "sweep", "sweep.yaml", "--output", "out", "--jobs", "2"], sweep_file, swept),
    Scenario("extract", [*WTAL, *EXTRACT], videos, stored),
    Scenario("conversion", [sys.executable, "-c", CONVERT], joint_pickle, converted),
)


def damaged(folder):
    """Files with their final name that cannot be read."""
    bad = []
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".ckpt":
                torch.load(path, weights_only=True)
            elif path.name == "manifest.json":
                manifest = read_manifest(path.parent)
                for name, length in manifest.videos.items():
                    assert len(np.load(path.parent / f"{name}.npy", allow_pickle=False)) == length
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except Exception as error:  # a reader of a half-written file can raise anything
            bad.append(f"{path.relative_to(folder)}: {type(error).__name__}")
    return bad


def start(scenario, folder):
    """Start a scenario in a process group of its own."""
    with (folder / "output.txt").open("a") as output:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        if Path("/dev/shm").is_dir():  # a temporary folder on another file system, as on clusters
            environment["TMPDIR"] = "/dev/shm"
        return subprocess.Popen(
            scenario.words, cwd=folder, stdout=output, stderr=output, start_new_session=True, env=environment
        )


def torture(scenario, kills, rng, scratch):
    """Kill a scenario ``kills`` times; returns its line of the table."""
    calm = scratch / scenario.name / "calm"
    calm.mkdir(parents=True)
    scenario.prepare(calm)
    began = time.monotonic()
    assert start(scenario, calm).wait() == 0, (calm / "output.txt").read_text()[-2000:]
    took = time.monotonic() - began
    expected = scenario.result(calm)
    killed, starts, rounds, wrong = 0, 0, 0, []
    while killed < kills:
        folder = scratch / scenario.name / f"round_{rounds}"
        folder.mkdir()
        scenario.prepare(folder)
        rounds += 1
        while True:
            process, starts = start(scenario, folder), starts + 1
            try:
                # long enough for a start to make progress; after the last kill it runs to its end
                patience = rng.uniform(0.2, 1.0) * took if killed < kills else None
                code = process.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                wrong += damaged(folder)
                continue
            if code:
                wrong.append(f"exit code {code}: {(folder / 'output.txt').read_text().strip().splitlines()[-1]}")
            elif scenario.result(folder) != expected:
                wrong.append("another result")
            break
    return f"{scenario.name:<12}{took:>12.1f}{killed:>8}{starts:>8}{rounds:>8}  {'; '.join(wrong) or 'none'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10, help="number of kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[one.name for one in SCENARIOS])
    args = parser.parse_args()
    rng = random.Random(args.seed)
    print(f"{'':<12}{'undisturbed s':>12}{'kills':>8}{'starts':>8}{'rounds':>8}  differences", flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for scenario in SCENARIOS:
            if scenario.name in args.only:
                line = torture(scenario, args.kills, rng, Path(scratch))
                failed |= not line.endswith("  none")
                print(line, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
