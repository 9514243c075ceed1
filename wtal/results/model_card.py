"""The model card of a shared run, generated from its record."""

import json
from collections.abc import Sequence

import pandas as pd

from wtal.results.record import Record
from wtal.results.tables import markdown, percent
from wtal.results.zoo import described, measured

__all__ = ["model_card"]

_MEASURES = ("mAP", "auc", "ap", "AUC", "AP")  # beginnings of the names of measures that a card shows
_MOST_CLASSES = 40


def model_card(record: Record, repo: str, class_names: Sequence[str]) -> str:
    """The text of ``README.md``, with the front matter that the Hub reads.

    Args:
        record: The run's record.
        repo: Name of the repository, ``user/repo``.
        class_names: Names of the classes.
    """
    front = {"library_name": "wtal", "tags": ["temporal-action-localization", "weakly-supervised", "wtal"]}
    facts = {
        "model": described(record.config) or record.model,
        "benchmark": record.benchmark,
        "annotations": record.annotations,
        "features": record.features,
        "weights": record.weights,
        "seed": record.seed,
        "training": f"{record.seconds:.0f} s" if record.seconds else "",
        "peak memory": f"{record.memory_mib:.0f} MiB" if record.memory_mib else "",
        "digest": record.identity,
        "code": " ".join(filter(None, [f"wtal {record.versions.get('wtal', '')}".strip(), record.git])),
        "command": f"`{record.command}`" if record.command else "",
    }
    lines = "".join(f"- {name}: {value}\n" for name, value in facts.items() if value not in ("", None))
    shown = list(class_names[:_MOST_CLASSES])
    more = f", and {len(class_names) - len(shown)} more" if len(class_names) > len(shown) else ""
    return f"""---
{"".join(f"{key}: {json.dumps(value)}{chr(10)}" for key, value in front.items())}---

# {repo}

Finds when actions happen in untrimmed videos, having learned from video-level labels, by
`wtal`. This card is generated from the record of the run.

{lines}
## Results

{_results(record)}
## Use

```
pip install 'wtal[hub,video]'
wtal detect video.mp4 --checkpoint hf://{repo} --output found
```

In Python: `wtal.load("hf://{repo}")`. The weights are in safetensors, and nothing here can run code.

## Classes

{", ".join(shown)}{more}
"""


def _results(record: Record) -> str:
    found = measured(record)
    if not found:
        return "The run was not measured.\n"
    table = pd.DataFrame(found).T
    table = table[[name for name in table if str(name).startswith(_MEASURES)]]
    table.index = pd.Index([name or "model" for name in table.index], name="source")
    videos = "the test videos" if record.is_tested else "held-out training videos"
    return f"{markdown(percent(table, 1))}\nPercentages of the last checkpoint on {videos}; one seed.\n"
