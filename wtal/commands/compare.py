"""Train and test all methods, and end with a table of them."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from wtal.errors import ConfigError
from wtal.io.shipped import find_config
from wtal.results.comparison import Method, print_comparison

__all__ = ["run"]

_OUTPUT = Path("runs/compare")


def run(
    config: Sequence[Path] = (),
    output: Path = _OUTPUT,
    seeds: Sequence[int] = (0,),
    methods: Sequence[Method] = get_args(Method),
    ablations: Sequence[Path] = (),
    benchmarks: Path | None = None,
    only: Sequence[str] = (),
    data: Path | None = None,
    jobs: int = 1,
) -> None:
    """Train and test all methods, and end with a table of them.

    The methods are: each branch alone (``cbp``, ``vlp``), VLP without training (``vlp_vanilla``), both branches trained
    apart and fused (``late_fusion``), CBP and this fusion after the warm-up alone, as long training makes CBP less
    complete (``cbp_warm_up``, ``late_fusion_warm_up``), the latter with VLP without training (``late_fusion_vanilla``),
    and each of them at the weights that suit held-out training videos best (``late_fusion_best``,
    ``late_fusion_vanilla_best``), distillation in one direction (``b_only``, ``f_only``), in both at once (``joint``),
    and in turn (``alternation``, and with the weights that ``late_fusion_best`` was given, ``alternation_best``).
    ``student`` learns to regress the instances that the alternation, or the only branch, finds in its training videos,
    and ``supervised`` is the same student on true segments; the share of this gap that it closes is a column. CBP and
    VLP stand for the first and the second branch, whatever they are called; a configuration of one branch has ``cbp``
    and its student alone. An ablation is another configuration of ``alternation``. All runs of a seed share one warm-up
    if they do not differ before its end, which gives the same result bit for bit; after it a branch trains for the same
    number of epochs in every method that trains it. Results are those of the last epoch on the test videos. Finished
    runs are not repeated: start the command again after an interruption.

    Args:
        config: Configurations of a collaboration or of one branch, as for ``wtal fit``; a later one overrides an
            earlier one, and with ``benchmarks`` they override those of every benchmark.
        output: Folder for the runs, ``comparison.csv`` (one row per method and seed) and ``comparison.md``; with
            ``benchmarks`` for one such folder per benchmark, ``benchmarks.csv``, ``differences.csv`` (of methods, in
            points) and ``benchmarks.md``.
        seeds: Seeds of weights, order and crops; each seed adds one row per method.
        methods: Methods to train and test.
        ablations: Files that each override the configuration in a run of their own, such as those that `wtal configs`
            lists in `ablations`; each adds a row with its name.
        benchmarks: File that lists benchmarks, such as `benchmarks/all.yaml`: for each a name, its `config`, and
            optionally options to `set`.
        only: Names of the benchmarks to take; empty for all.
        data: Folder that `$WTAL_DATA` in the configurations stands for.
        jobs: Number of processes that train at the same time and share the cores; with several, what they print goes to
            ``seed_N/RUN.log``.

    Raises:
        ConfigError: If neither a configuration nor benchmarks are given, an ablation has the name of a method or of
            another ablation, or ``jobs`` is not positive.
    """
    if jobs < 1:
        raise ConfigError(f"`--jobs` is the number of processes and at least 1, not {jobs}.")
    if data is not None:
        os.environ["WTAL_DATA"] = str(data)
    command = _command(config, output, seeds, methods, ablations, benchmarks, only, data)
    files, changes = list(map(find_config, config)), list(map(find_config, ablations))
    if benchmarks is not None:
        from wtal.comparison.benchmarks import compare_benchmarks

        listed = find_config(benchmarks)
        compare_benchmarks(listed, output, seeds, methods, changes, files, only, command, jobs).print()
        return
    if not files:
        raise ConfigError(
            "A comparison requires something to compare: name files by `--config` or a list by `--benchmarks`."
        )
    if only:
        raise ConfigError("`--only` takes some of several benchmarks: name their list by `--benchmarks`.")
    from wtal.comparison.runner import compare

    print_comparison(compare(files, output, seeds, methods, changes, command=command, jobs=jobs))


def _command(
    config: Sequence[Path],
    output: Path,
    seeds: Sequence[int],
    methods: Sequence[Method],
    ablations: Sequence[Path],
    benchmarks: Path | None,
    only: Sequence[str],
    data: Path | None,
) -> str:
    """The command with these options, as a table states it."""
    some = () if tuple(methods) == get_args(Method) else methods
    options: dict[str, Sequence[object]] = {"benchmarks": [benchmarks] if benchmarks else (), "only": only}
    options |= {"config": config, "ablations": ablations, "methods": some, "seeds": seeds, "output": [output]}
    options |= {"data": [data] if data else ()}
    words = [word for name, values in options.items() if values for word in (f"--{name}", *map(str, values))]
    return shlex.join(["wtal", "compare", *words])
