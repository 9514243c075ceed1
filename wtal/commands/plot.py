"""``wtal plot``: the figures of a paper, from checkpoints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.errors import ConfigError
from wtal.report.style import shown
from wtal.views import FUSED

if TYPE_CHECKING:
    from wtal.data.datamodule import SnippetDataModule
    from wtal.localization.scored import VideoScores
    from wtal.report.figures import Chart
    from wtal.training.checkpoint import Run

__all__ = ["errors", "qualitative", "sensitivity"]

Floats = NDArray[np.float64]
ErrorFigure = Literal["false_positives", "gains", "false_negatives", "sensitivity", "completeness"]
_CUTS = np.linspace(0.05, 0.95, 19)
_FOREGROUND, _BACKGROUND = np.linspace(0.4, 0.95, 12), np.linspace(0.02, 0.6, 12)


def qualitative(
    run: Path,
    videos: Sequence[str],
    output: Path,
    apart: Path | None = None,
    label: str | None = None,
    split: Literal["test", "val", "train"] = "test",
) -> None:
    """Draw videos as the paper does: ground truth, CBP, VLP, and ours; curves above, detections below.

    Args:
        run: A checkpoint, or a folder: its newest `last.ckpt` is taken.
        videos: Their names, one below the other.
        output: A .pdf, .png or .svg file.
        apart: Another run whose CBP and VLP are drawn in the place of the run's own, for example one without
            distillation.
        label: The class; left out, the most frequent one of each video.
        split: Where the videos are; segments of training videos are not shown.

    Raises:
        WTALError: If a file is not there, or a video is not in the split.
    """
    from wtal.api import load, predict
    from wtal.report.figures import panel_of, qualitative_figure
    from wtal.report.style import save_figure

    ours = load(run)
    scores = predict(ours, split=split, videos=videos)
    others = predict(load(apart), ours.data, split, videos) if apart else {}
    truth, panels = ours.data.named_segments(split), []
    for name in videos:
        panel = panel_of(scores[name], truth=truth, label=label)
        if name in others:
            title = panel.title.removeprefix(f"{name}: ")
            alone = panel_of(others[name], truth=truth, label=title).tracks
            alone = [replace(track, name=f"{track.name} alone") for track in alone if track.source != FUSED.name]
            panel = replace(panel, tracks=[*alone, panel.tracks[-1]])
        panels.append(panel)
    save_figure(qualitative_figure(panels, f"features: {ours.data.features_note}"), output)


def errors(runs: Sequence[Path], output: Path, show: ErrorFigure = "false_positives") -> None:
    """Draw why methods fail on the test videos, as `wtal analyze` does from prediction files.

    Args:
        runs: Checkpoints, or folders whose newest `last.ckpt` is taken. Of one, its CBP, VLP and their fusion are
            compared; of several, the answers of each.
        output: A .pdf, .png or .svg file.
        show: Which figure: kinds of detections, what mAP gains without a kind of error, missed instances by
            characteristic, mAP by characteristic, or completeness and over-completeness.

    Raises:
        WTALError: If a file is not there, or there are no segments.
    """
    from wtal.api import load, localize, predict, truth_of
    from wtal.report.analysis_figures import figures_of
    from wtal.report.style import save_figure
    from wtal.results.analysis import analyze_sets
    from wtal.results.evaluation import labels_of

    loaded = [load(path) for path in runs]
    data = loaded[0].data
    tables = [localize(predict(run, data)) for run in loaded]
    if len(runs) == 1:
        found, model = tables[0], loaded[0].model
        sets = {shown(s, i, model.views)[0]: found[found["source"] == s] for i, s in enumerate(model.sources)}
    else:
        labels = labels_of(runs, [])
        labels = labels if len(set(labels)) == len(labels) else list(map(str, runs))
        answers = zip(labels, tables, loaded, strict=True)
        sets = {label: table[table["source"] == run.model.sources[-1]] for label, table, run in answers}
    save_figure(figures_of(analyze_sets(sets, truth_of(data)))[show], output)


def sensitivity(runs: Sequence[Path], output: Path, split: Literal["test", "val"] = "test") -> None:
    """Draw how much depends on thresholds: where the localizer cuts, and how sure a teacher must be.

    Nothing is trained anew: the scores of the checkpoints stay as they are. For the localizer's thresholds this is the
    whole effect. For the teachers' it is what they would hand over, not what a student would make of it.

    Args:
        runs: Checkpoints, or folders whose newest `last.ckpt` is taken. Several, such as seeds, become a mean and a
            band from the least to the largest.
        output: A .pdf, .png or .svg file.
        split: The videos: those for `test`, or the held-out ones, `val`, by whose segments thresholds may be chosen.

    Raises:
        WTALError: If a file is not there, or the videos' segments may not be seen.
    """
    from wtal.api import load, predict
    from wtal.report.figures import curves_figure
    from wtal.report.style import save_figure

    loaded = [load(path) for path in runs]
    if len({run.model.sources for run in loaded}) > 1:
        raise ConfigError(f"{runs[0]} and {runs[1]} hold models of different kinds: give runs of one kind.")
    data = loaded[0].data
    truth = data.named_segments(split)
    if truth.empty:
        raise ConfigError(
            f"No segments of the {split} videos may be seen: thresholds are judged by them"
            + (", so set `data.validate_on: segments`." if split == "val" else ".")
        )
    scores = [predict(run, data, split) for run in loaded]
    labels = dict(data.split(split).table["labels"])
    charts = [_cut_chart(scores, data, split), *_teacher_charts(loaded, scores, truth, labels)]
    count = f"; mean and range of {len(loaded)} runs" if len(loaded) > 1 else ""
    said = f"{data.benchmark.name}, {split} videos{count}; features: {data.features_note}"
    save_figure(
        curves_figure(charts, f"{said}\nscores of the last epoch, cut and labelled anew; nothing trained anew"), output
    )


def _cut_chart(
    scores: Sequence[Mapping[str, "VideoScores"]], data: "SnippetDataModule", split: Literal["test", "val"]
) -> "Chart":
    """Mean average precision when the localizer cuts at one threshold only; dashed: at all of its own."""
    from wtal.api import evaluate, localize
    from wtal.report.figures import Chart, Line

    one = next(iter(scores[0].values()))
    sources = list(one.sources)

    def mean_map(of_run: Mapping[str, "VideoScores"], cuts: tuple[float, ...] | None) -> pd.Series:
        localizer = next(iter(of_run.values())).localizer
        found = localize(of_run, localizer if cuts is None else replace(localizer, thresholds=cuts))
        table = evaluate(found, data, split=split)[[f"{tiou:g}" for tiou in data.benchmark.tious]]
        return table.mean(axis=1).reindex(sources, fill_value=0.0)  # what has no detection at all has no row

    own = pd.DataFrame([mean_map(of_run, None) for of_run in scores])  # (R, sources)
    at = [pd.DataFrame([mean_map(of_run, (cut,)) for of_run in scores]) for cut in _CUTS.tolist()]
    lines = []
    for place, source in enumerate(sources):
        name, colour = shown(source, place, one.views)
        lines.append(Line(name, _CUTS, np.stack([table[source] for table in at], axis=1), colour))
        lines.append(Line("", _CUTS[[0, -1]], np.stack([own[source]] * 2, axis=1), colour, dashed=True))
    return Chart("One cut of the localizer (dashed: all its cuts)", "threshold", "mean mAP in %", lines)


def _teacher_charts(
    runs: Sequence["Run"],
    scores: Sequence[Mapping[str, "VideoScores"]],
    truth: pd.DataFrame,
    labels: Mapping[str, Sequence[str]],
) -> Iterator["Chart"]:
    """Of the snippets that a teacher labels: how many, and how many of them rightly; none for branches alone."""
    from wtal.collaboration import CollaborationModule
    from wtal.report.figures import Chart, Line

    models = [run.model for run in runs if isinstance(run.model, CollaborationModule)]
    if len(models) < len(runs):
        return
    kinds = {"foreground": ("high", "δ$_h$", _FOREGROUND, 1), "background": ("low", "δ$_l$", _BACKGROUND, -1)}
    for kind, (bound, symbol, deltas, sign) in kinds.items():
        lines, marks = [], []
        for place, teacher in enumerate(models[0].branches):
            right, share = [], []
            for model, of_run in zip(models, scores, strict=True):
                source = model.sources[-1] if model.schedule.agree else teacher
                score, inside = _foreground(of_run, source, truth, labels)
                sure = sign * score > sign * deltas[:, None]  # (K, S)
                with np.errstate(invalid="ignore"):  # of no snippet, none is right or wrong
                    right.append((sure & (inside == (sign > 0))).sum(axis=1) / sure.sum(axis=1))
                share.append(sure.mean(axis=1))
            title, colour = shown(teacher, place, models[0].views)
            lines.append(Line(f"{title}: right", deltas, np.stack(right), colour))
            lines.append(Line(f"{title}: share of all", deltas, np.stack(share), colour, dashed=True))
            marks.append((getattr(models[0].thresholds[teacher], bound), colour))
        yield Chart(f"Pseudo-labels: {kind} (dotted: used)", symbol, "snippets in %", lines, marks)


def _foreground(
    scores: Mapping[str, "VideoScores"], source: str, truth: pd.DataFrame, labels: Mapping[str, Sequence[str]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """What a teacher thresholds, of all snippets of all videos, ``(S,)``, and which of them lie in an instance."""
    import torch

    from wtal.collaboration.pseudo_labels import foreground_score
    from wtal.types import SnippetScores

    score, inside = [], []
    for name, one in scores.items():
        batch = SnippetScores(*(column[None] for column in one.sources[source]))
        multi_hot = torch.tensor([[float(label in labels[name]) for label in one.class_names]])
        mask = torch.ones(1, one.video.num_snippets, dtype=torch.bool)
        score.append(foreground_score(batch, multi_hot, mask)[0].numpy())
        spans = truth.loc[truth["video_id"] == name, ["start_s", "end_s"]].to_numpy(float)
        within = (spans[:, :1] <= one.times_s) & (one.times_s < spans[:, 1:])
        inside.append(within.any(axis=0))
    return np.concatenate(score), np.concatenate(inside)
