"""Measures what `experiments/online.md` states.

python experiments/benchmarks/online.py scores PLAIN_RUN CAUSAL_RUN   # on the test videos of the runs' own data
python experiments/benchmarks/online.py stream FILM --hours 1         # latency, speed and memory of a looped film
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch

import wtal
from wtal.branches import VLPBranch
from wtal.collaboration import emissions_of
from wtal.extraction.live import LiveDetector
from wtal.extraction.pipeline import Extraction
from wtal.functional.average_precision import mean_average_precision
from wtal.metrics import online_score
from wtal.nn.heads import ZeroShotHead
from wtal.nn.text.prompts import TemplateText
from wtal.tasks import task_of
from wtal.video.live import LiveReader

TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def offline_rows(run: "wtal.Run") -> np.ndarray:
    """Detections of whole videos."""
    rows = []
    for number, (name, scores) in enumerate(wtal.predict(run).items()):
        found = scores.detections(run.model.sources[-1])
        for start, end, label, score in zip(*(column.tolist() for column in found), strict=True):
            rows.append([number, label, start, end, score])
        assert name == run.data.videos("test")[number].video_id
    return np.array(rows)


def scores(plain: Path, causal: Path) -> None:
    """mAP and delay of one training seed."""
    offline, online = wtal.load(plain), wtal.load(causal)
    truth = task_of(online.data.benchmark).truth(online.data, "test").numpy()
    parts = {"offline": offline_rows(offline), "causal, offline": offline_rows(online)}
    for name, rows in parts.items():
        print(f"{name}: mAP {100 * mean_average_precision(rows, truth, TIOUS).mean():.1f}")
    for chunk in (1, 4):
        found = emissions_of(online.model, online.data, chunk=chunk)
        rows = np.array([[number, one.label, one.start_s, one.end_s, one.score, one.emitted_s]
                         for number, part in enumerate(found.values()) for one in part])  # fmt: skip
        score = online_score(rows, truth, TIOUS)
        values = " ".join(f"{100 * value:.1f}" for value in score.precision.mean)
        print(
            f"online, chunk {chunk}: mAP {100 * score.precision.mean.mean():.1f} ({values}), delay "
            f"{score.delay_s.mean():.2f} s, {len(rows)} detections, {score.early} early"
        )


def stream(film: Path, hours: float, chunk: int, clip_model: str) -> None:
    """Speed and memory of CLIP alone on a film that is played again and again."""
    torch.set_num_threads(1)
    making = Extraction(streams=("clip",), clip_model=clip_model, random_weights=True)
    texts = TemplateText(["a", "b", "c"], clip_model, "random")
    model = VLPBranch(["a", "b", "c"], lambda names: ZeroShotHead(names, lambda _: texts, past=255), average=0).eval()
    latencies, memory, began, said = [], [], time.monotonic(), 0.0
    for part in LiveDetector(model, making, chunk=chunk).read(LiveReader(str(film), passes=None)):
        latencies.append(part.latency_s)
        if part.now_s >= said:
            said += hours * 3600 / 12
            memory.append(resident_mib())
            print(f"{part.now_s:.0f} s: {memory[-1]:.1f} MiB", flush=True)
        if part.now_s >= hours * 3600:
            break
    elapsed = time.monotonic() - began
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"{part.frames} frames in {elapsed:.0f} s ({part.frames / elapsed:.0f} frames/s; {cpu.ru_utime:.0f} s of "
        f"processor time), latency median {1000 * np.median(latencies):.0f} ms, 99 % "
        f"{1000 * np.quantile(latencies, 0.99):.0f} ms; memory {memory[1]:.1f} to {memory[-1]:.1f} MiB"
    )


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="what", required=True)
    first = parts.add_parser("scores")
    first.add_argument("plain", type=Path)
    first.add_argument("causal", type=Path)
    second = parts.add_parser("stream")
    second.add_argument("film", type=Path)
    second.add_argument("--hours", type=float, default=1.0)
    second.add_argument("--chunk", type=int, default=1)
    second.add_argument("--clip_model", default="ViT-B-32")
    given = vars(parser.parse_args())
    {"scores": scores, "stream": stream}[given.pop("what")](**given)


if __name__ == "__main__":
    main()
