"""Train and test all methods, and end with a table of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from wtal.io.shipped import find_config
from wtal.results.comparison import Method, print_comparison

__all__ = ["run"]


def run(
    config: Sequence[Path],
    output: Path = Path("runs/compare"),
    seeds: Sequence[int] = (0,),
    methods: Sequence[Method] = get_args(Method),
    ablations: Sequence[Path] = (),
) -> None:
    """Train and test all methods, and end with a table of them.

    The methods are: each branch alone (``cbp``, ``vlp``), VLP without training (``vlp_vanilla``), both branches
    trained apart and fused (``late_fusion``), CBP and this fusion after the warm-up alone, as long training makes CBP
    less complete (``cbp_warm_up``, ``late_fusion_warm_up``), distillation in one direction (``b_only``, ``f_only``), in
    both at once (``joint``), and in turn (``alternation``). An ablation is another configuration of ``alternation``.
    All runs of a seed share one warm-up if they do not differ before its end, which gives the same result bit for bit;
    after it a branch trains for the same number of epochs in every method that trains it. Results are those of the last
    epoch on the test videos. Finished runs are not repeated: start the command again after an interruption.

    Args:
        config: Configurations of a collaboration, as for ``wtal fit``; a later one overrides an earlier one.
        output: Folder for the runs, ``comparison.csv`` (one row per method and seed) and ``comparison.md``.
        seeds: Seeds of weights, order and crops; each seed adds one row per method.
        methods: Methods to train and test.
        ablations: Files that each override the configuration in a run of their own, such as those that `wtal configs`
            lists in `ablations`; each adds a row with its name.

    Raises:
        ConfigError: If an ablation has the name of a method or of another ablation.
    """
    from wtal.comparison.runner import compare

    files, changes = list(map(find_config, config)), list(map(find_config, ablations))
    print_comparison(compare(files, output, seeds, methods, changes))
