"""What a whole training takes, in time and memory, by number of videos, batch, crop and GPUs: `wtal fit --then_test`.

Made-up features of the real widths (I3D 2048, CLIP 512) in THUMOS14's lengths, 20 classes, texts from a file, the
collaboration of `thumos14/collaboration.yaml` for three epochs: one of warm-up, a lesson for each branch. As many test
videos as training videos, at full length. Each training is a command of its own, so its peak memory is that of the
process (on a GPU, of the GPU). Read the CPU seconds of the whole command on a busy machine, where wall seconds say
little. `--gpus 1 2 4` repeats everything on so many GPUs.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from made_up import thumos_lengths, words, write
from timing import Table, options

EPOCHS = 3


def train(data: Path, runs: Path, batch: int, snippets: int, cache: bool, gpus: int) -> tuple[float, float, float]:
    """Wall seconds of an epoch, CPU seconds of the whole command, peak GiB."""
    model = {"schedule.warm_up": 1, "schedule.period": 1, "vlp.head.text": "wtal.nn.text.FileText"}
    model |= {"vlp.head.text.path": data / "text.npy"}
    trainer = {"max_epochs": EPOCHS, "default_root_dir": runs, "enable_progress_bar": "false"}
    trainer |= {"accelerator": "gpu", "devices": gpus} if gpus else {"accelerator": "cpu", "precision": "32-true"}
    loading = {"batch_size": batch, "num_snippets": snippets, "cache": str(cache).lower()}
    parts = {"model": model, "trainer": trainer, "data": loading}
    given = [f"--{part}.{key}={value}" for part, settings in parts.items() for key, value in settings.items()]
    command = [sys.executable, "-m", "wtal", "fit", "-c", "thumos14/collaboration.yaml", *words(data), *given]
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--then_test=true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    (record,) = (json.loads(file.read_text()) for file in runs.rglob("record.json"))
    return record["seconds"] / EPOCHS, spent, record["memory_mib"] / 1024


def cases(quick: bool) -> list[tuple[int, int, int, bool]]:
    """Number of training videos, batch, snippets of a crop, whether features are held in memory."""
    if quick:
        return [(12, 4, 64, True)]
    sizes = [(videos, 10, 320, cache) for videos in (50, 200) for cache in (True, False)]
    return [*sizes, (200, 20, 320, False), (200, 10, 750, False), (1000, 10, 320, False)]


def main() -> None:
    """Measure all cases, one at a time."""
    parser = options(__doc__)
    parser.add_argument("--gpus", type=int, nargs="+", default=[0], help="numbers of GPUs; 0 is the CPU")
    args = parser.parse_args()
    table = Table("videos, batch x snippets, features", "GPUs", "epoch, wall s", "command, CPU s", "peak GiB")
    for gpus in args.gpus:
        for videos, batch, snippets, cache in cases(args.quick):
            with tempfile.TemporaryDirectory() as scratch:
                data, lengths = Path(scratch) / "data", thumos_lengths(videos, distinct=min(videos, 50))
                write(data, lengths, lengths)
                found = train(data, Path(scratch) / "runs", batch, snippets, cache, gpus)
            held = "in memory" if cache else "mapped"
            table.row(f"{videos} + {videos}, {batch} x {snippets}, {held}", str(gpus), *found)


if __name__ == "__main__":
    main()
