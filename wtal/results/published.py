"""Published results, all on real features, for comparison with the rows of a table; mAP in %."""

from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True)
class Published:
    """One row of a paper's table.

    Args:
        name: Name of the method.
        benchmark: Prefix of the names of the benchmarks that it is comparable with.
        values: mAP by threshold or range, named like the columns of tables; ``avg`` is the paper's own average.
        source: The paper.
    """

    name: str
    benchmark: str
    values: dict[str, float]
    source: str


_THUMOS14 = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "avg")
_ACTIVITYNET = ("0.5", "0.75", "0.95", "avg")


def _row(name: str, benchmark: str, columns: tuple[str, ...], values: tuple[float, ...], source: str) -> Published:
    return Published(name, benchmark, dict(zip(columns, values, strict=True)), source)


PUBLISHED = (
    _row("UM", "thumos14", _THUMOS14, (67.5, 61.2, 52.3, 43.4, 33.7, 22.9, 12.1, 41.9), "arXiv:2006.07006"),
    _row("CO2-Net", "thumos14", _THUMOS14, (70.1, 63.6, 54.5, 45.7, 38.3, 26.4, 13.4, 44.6), "arXiv:2107.12589"),
    _row("Ju et al.", "thumos14", _THUMOS14, (73.5, 68.8, 61.5, 53.8, 42.0, 29.4, 16.8, 49.4), "arXiv:2212.09335"),
    Published("FuSTAL", "thumos14", {"avg": 50.8}, "as cited by later work"),
    Published("SAL", "thumos14", {"avg": 50.6}, "as cited by later work"),
    _row("Ju et al.", "activitynet1.2", _ACTIVITYNET, (48.3, 29.3, 6.1, 29.6), "arXiv:2212.09335"),
    _row("SAL", "activitynet1.2", _ACTIVITYNET, (48.5, 31.4, 7.1, 30.8), "as cited by later work"),
)
