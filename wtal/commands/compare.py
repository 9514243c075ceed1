"""Train and test all methods and end with their table."""

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
    """Train and test all methods and end with their table.

    The methods are: each branch alone (``cbp``, ``vlp``), VLP without training (``vlp_vanilla``), both branches
    trained apart and fused (``late_fusion``), both of these after the warm-up alone, as long training makes CBP less
    complete (``cbp_warm_up``, ``late_fusion_warm_up``), distillation in one direction (``b_only``, ``f_only``), in
    both at once (``joint``), and in turn (``alternation``). An ablation is another configuration of the last. All runs
    of a seed share one warm-up if they do not differ before its end, which gives the same result bit for bit; after it
    each branch trains for as many epochs in every method that trains it. Results are those of the last epoch on the
    test videos. Finished runs are not repeated: start the command again after an interruption.

    Args:
        config: Configurations of a collaboration, as for ``wtal fit``; a later one overrides an earlier one.
        output: Folder for the runs, ``comparison.csv`` (one row per method and seed) and ``comparison.md``.
        seeds: Of weights, order and crops; each makes a row of every method.
        methods: Which methods.
        ablations: Files that each override the configuration in a run of their own, such as those of `wtal configs`
            below `ablations`; each makes a row of its name.

    Raises:
        ConfigError: If an ablation has the name of a method or of another one.
    """
    from wtal.comparison.runner import compare

    files, changes = list(map(find_config, config)), list(map(find_config, ablations))
    print_comparison(compare(files, output, seeds, methods, changes))
