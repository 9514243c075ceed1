"""Pure functions on tensors and arrays: no device, configuration or file."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy
from wtal.functional.average_precision import (
    AveragePrecision,
    average_precision,
    best_first_by_class,
    group_keys,
    match,
    mean_average_precision,
)
from wtal.functional.chunks import chosen_chunks
from wtal.functional.mel import log_mel, mel_filters
from wtal.functional.nms import nms, soft_nms
from wtal.functional.recall import recall_at_multiples
from wtal.functional.segments import (
    elementwise_iou,
    inner_outer_means,
    intersection,
    merge_segments,
    overlapping_pairs,
    pairs_of_equal_key,
    runs,
    temporal_iou,
)

if TYPE_CHECKING:
    from wtal.functional.pooling import (
        best_snippets,
        masked_mean,
        min_max,
        running_min_max,
        running_topk_pool,
        topk_pool,
    )
    from wtal.functional.statistics import mean_and_deviation
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "AveragePrecision",
    "average_precision",
    "best_first_by_class",
    "best_snippets",
    "chosen_chunks",
    "elementwise_iou",
    "group_keys",
    "inner_outer_means",
    "intersection",
    "log_mel",
    "masked_mean",
    "match",
    "mean_and_deviation",
    "mean_average_precision",
    "mel_filters",
    "merge_segments",
    "min_max",
    "nms",
    "overlapping_pairs",
    "pairs_of_equal_key",
    "recall_at_multiples",
    "running_min_max",
    "running_topk_pool",
    "runs",
    "soft_nms",
    "temporal_iou",
    "topk_pool",
]
