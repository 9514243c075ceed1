"""Frames per second of each stage of `wtal extract` alone, and of the whole, in one run.

Decoding, flow and preparing images run in worker processes, the networks in the main one, at the same time: the whole
should take as long as the slower of the two sides. The last line compares it with that. Random weights cost as much as
trained ones. `--video` takes a video of your own; otherwise one of moving noise is made.

`--fidelity` compares the methods of optical flow instead, on one snippet of each of some videos: CPU time in turns, and
how far flow and I3D's features differ from those of OpenCV's TV-L1. Features of random weights resemble each other, so
the cosine is also taken of what is left of them after their mean has been subtracted.
"""

import argparse
import os
import tempfile
import time
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import torch

import wtal  # noqa: F401
from wtal.extraction.pipeline import Extraction, Running, extract_features
from wtal.nn.encoders.clip_image import ImageTower, Preprocess
from wtal.nn.encoders.i3d import load_i3d
from wtal.nn.encoders.i3d_encoder import encode_crops
from wtal.video.crops import crop, to_clip
from wtal.video.decode import FrameReader
from wtal.video.flow import FlowMethod, _matcher, flow_stream, quantize


def moving_noise(path, frames, size=(340, 256)):
    """Write a video of a picture that slides and flickers."""
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8 + 60, 3)).astype(np.uint8)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(frames):
            shown = np.kron(picture[:, n % 60 : n % 60 + width // 8], np.ones((8, 8, 1), np.uint8))
            shown = np.pad(shown, ((0, height - shown.shape[0]), (0, width - shown.shape[1]), (0, 0)), "edge")
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(shown))))
        file.mux(stream.encode(None))


def seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@torch.no_grad()
def fidelity(videos, first, weights):
    """Time and fidelity of each method on the 17 frames of each video from `first` on."""
    torch.set_num_threads(1)
    methods = get_args(FlowMethod)
    took, flows = dict.fromkeys(methods, 0.0), {method: [] for method in methods}
    for path in videos:
        frames = islice(FrameReader(path), first, first + 17)
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        for method in methods:
            flow_of, began = _matcher(method), time.process_time()
            flows[method].append(np.stack([flow_of(*pair) for pair in pairwise(grey)]))
            took[method] += time.process_time() - began
    network = load_i3d(weights, "flow", random=weights is None).model
    features = {
        method: torch.cat([encode_crops(network, torch.from_numpy(quantize(one))[None], "flow") for one in found])
        for method, found in flows.items()
    }
    exact, mean = features["tvl1"], features["tvl1"].mean(dim=0)
    others = [torch.cosine_similarity(a, b, dim=0) for i, a in enumerate(exact) for b in exact[:i]]
    print(f"{len(videos)} snippets; cosines of different ones {min(others):.4f} to {max(others):.4f}")
    columns = ("ms/pair", "times", "error px", "95 %", "cosine", "lowest", "centred", "lowest")
    print(" " * 12 + "".join(f"{column:>10}" for column in columns))
    for method in methods:
        parts = zip(flows[method], flows["tvl1"], strict=True)
        error = np.concatenate([np.linalg.norm(one - other, axis=-1).ravel() for one, other in parts])
        plain = torch.cosine_similarity(features[method], exact)
        centred = torch.cosine_similarity(features[method] - mean, exact - mean)
        speed = (took[method] / 16 / len(videos) * 1e3, took["tvl1"] / took[method])
        apart = (error.mean(), np.quantile(error, 0.95))
        alike = (plain.mean(), plain.min(), centred.mean(), centred.min())
        print(
            f"{method:<12}"
            + "".join(f"{value:>10.1f}" for value in speed)
            + "".join(f"{v:>10.4f}" for v in apart + alike)
        )


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--video", type=Path)
    parser.add_argument(
        "--fidelity", type=Path, nargs="+", metavar="VIDEO", help="compare the methods of flow on these"
    )
    parser.add_argument("--first", type=int, default=128, help="first frame of the snippets of --fidelity")
    parser.add_argument("--flow-weights", type=Path, help="I3D's weights for --fidelity; random ones without")
    parser.add_argument("--frames", type=int, default=320, help="number of frames of the made-up video")
    parser.add_argument("--flow", choices=get_args(FlowMethod), default="dis")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="use 64 frames")
    args = parser.parse_args()
    if args.fidelity:
        fidelity(args.fidelity, args.first, args.flow_weights)
        return
    threads = max(1, (os.cpu_count() or 2) // 2)
    torch.set_num_threads(threads)  # as the command leaves the other half to the workers
    with tempfile.TemporaryDirectory() as scratch:
        videos = [args.video] if args.video else [Path(scratch, f"{n}.mp4") for n in range(threads)]
        for path in videos if not args.video else ():
            moving_noise(path, 64 if args.quick else args.frames)
        frames = np.stack(list(FrameReader(videos[0])))
        tower = ImageTower("ViT-B-16", "random").to(args.device)
        prepare = Preprocess(tower.settings)
        networks = {name: load_i3d(None, name, random=True).model.to(args.device) for name in ("rgb", "flow")}
        windows = torch.from_numpy(frames[: len(frames) // 16 * 16]).unflatten(0, (-1, 16))
        images = torch.stack([prepare(frame) for frame in frames[8::16]])

        def i3d(name):
            for batch in crop(windows[..., : {"rgb": 3, "flow": 2}[name]]).squeeze(1).split(8):
                networks[name](to_clip(batch.to(args.device)))

        alone = {
            "decode": lambda: list(FrameReader(videos[0])),
            f"flow ({args.flow})": lambda: list(flow_stream(iter(frames), args.flow)),
            "prepare images": lambda: [prepare(frame) for frame in frames[8::16]],
            "I3D, RGB": lambda: i3d("rgb"),
            "I3D, flow": lambda: i3d("flow"),
            "CLIP ViT-B/16": lambda: tower(images.to(args.device)),
        }
        for warm in ("I3D, RGB", "CLIP ViT-B/16"):
            alone[warm]()
        took = {name: seconds(function) for name, function in alone.items()}
        workers = sum(list(took.values())[:3])
        networks_s = sum(list(took.values())[3:])
        loading = seconds(lambda: extract_features({}, Path(scratch, "empty"), making(args), Running()))
        whole = seconds(
            lambda: extract_features({p.stem: p for p in videos}, Path(scratch, "out"), making(args), Running())
        )
    count = len(frames)
    print(f"{count} frames of {frames.shape[2]} x {frames.shape[1]}, {len(videos)} videos at once, {args.device}")
    print(f"{'':<28}{'s':>8}{'frames/s':>12}")
    for name, value in took.items():
        print(f"{name:<28}{value:>8.2f}{count / value:>12.0f}")
    print(f"{'a worker: decode to images':<28}{workers:>8.2f}{count / workers:>12.0f}")
    print(f"{'the networks':<28}{networks_s * len(videos):>8.2f}{count / networks_s:>12.0f}")
    slowest = max(workers, networks_s * len(videos))
    print(f"{'the whole, without loading':<28}{whole - loading:>8.2f}{count * len(videos) / (whole - loading):>12.0f}")
    print(f"the whole against its slower side alone: {(whole - loading) / slowest:.2f}")


def making(args):
    return Extraction(random_weights=True, flow=args.flow)


if __name__ == "__main__":
    main()
