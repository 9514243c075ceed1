"""Slow and simple versions of the evaluators and the localizer, one detection after another, to test the fast code."""

import math
from itertools import pairwise

import numpy as np


def tiou(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else float(a[0] == b[0])


def average_precision_of_class(ranked, truth, threshold, interpolated=True, takes="largest"):
    """Average precision of detections, rows of video, start, end, best first, and instances, rows of the same."""
    by_video = {}
    for place, (video, *_) in enumerate(truth):
        by_video.setdefault(video, []).append(place)
    taken, hits = set(), []
    for video, start, end in ranked:
        best, chosen = -1.0, None
        for place in by_video.get(video, ()):
            overlap = tiou((start, end), truth[place][1:])
            if place in taken or overlap < threshold:
                continue
            if takes == "first":
                chosen = place
                break
            if overlap >= best:
                best, chosen = overlap, place
        hits.append(chosen is not None)
        taken.add(chosen)
    found, precision = 0, []
    for rank, hit in enumerate(hits, start=1):
        found += hit
        precision.append(found / rank)
    if interpolated:
        for place in reversed(range(len(precision) - 1)):
            precision[place] = max(precision[place], precision[place + 1])
    return sum(p for p, hit in zip(precision, hits, strict=True) if hit) / len(truth)


def ranked_by_class(detections, ties):
    """Rows of video, start, end by label, best first."""
    found = {}
    rows = detections if ties == "first" else detections[::-1]
    for video, label, start, end, _ in sorted(rows, key=lambda row: -row[4]):
        found.setdefault(label, []).append((video, start, end))
    return found


def average_precision(detections, segments, thresholds, ties="last", interpolated=True, takes="largest"):
    """By label, one value per threshold."""
    truth = {}
    for video, label, start, end in segments:
        truth.setdefault(label, []).append((video, start, end))
    found = ranked_by_class(detections, ties)
    return {
        label: [
            average_precision_of_class(found.get(label, []), truth[label], threshold, interpolated, takes)
            for threshold in thresholds
        ]
        for label in sorted(truth)
    }


def official_map(detections, segments, thresholds):
    """The official mAP of ActivityNet, with NumPy's order of equal values: arrays, one detection at a time."""
    values = []
    for label in np.unique(segments[:, 1]):
        truth, ranked = segments[segments[:, 1] == label], detections[detections[:, 1] == label]
        ranked = ranked[ranked[:, 4].argsort()[::-1]]
        by_video = {video: np.flatnonzero(truth[:, 0] == video) for video in np.unique(truth[:, 0])}
        taken = np.zeros((len(thresholds), len(truth)), bool)
        hits = np.zeros((len(thresholds), len(ranked)), bool)
        for place, (video, _, start, end, _) in enumerate(ranked):
            here = by_video.get(video, [])
            s, e = truth[here, 2], truth[here, 3]
            shared = (np.minimum(e, end) - np.maximum(s, start)).clip(0)
            overlap = shared / ((e - s) + (end - start) - shared)
            best_first = overlap.argsort()[::-1]
            for level, threshold in enumerate(thresholds):
                for index in best_first:
                    if overlap[index] < threshold:
                        break
                    if not taken[level, here[index]]:
                        taken[level, here[index]] = hits[level, place] = True
                        break
        precision = np.cumsum(hits, axis=1) / np.arange(1, len(ranked) + 1)
        interpolated = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        values.append((interpolated * hits).sum(axis=1) / len(truth))
    return np.mean(values, axis=0)


def recall(detections, segments, threshold, multiple, ties="last"):
    """Mean over the classes of the share of instances that the best detections of their video and class find."""
    found, by_class = ranked_by_class(detections, ties), {}
    for video, label, start, end in segments:
        mine = [other for other in segments if other[:2] == (video, label)]
        best = [(s, e) for v, s, e in found.get(label, []) if v == video][: multiple * len(mine)]
        by_class.setdefault(label, []).append(any(tiou(span, (start, end)) >= threshold for span in best))
    return sum(sum(hits) / len(hits) for hits in by_class.values()) / len(by_class)


def without_repeated(segments):
    """Ground truth as OpenTAD and ActionFormer read it."""
    kept = []
    for row in segments:
        again = any(
            other[:2] == row[:2] and abs(other[2] - row[2]) <= 1e-3 and abs(other[3] - row[3]) <= 1e-3 for other in kept
        )
        if row[3] > row[2] and not again:
            kept.append(row)
    return kept


def in_snippets(seconds):
    return round(seconds * 25 / 16)


def without_ambiguous(detections, ambiguous):
    """Detections as W-TALC and CO2-Net keep them, compared in whole snippets."""
    return [
        row
        for row in detections
        if not any(
            video == row[0] and set(range(int(row[2]), int(row[3]))) & set(range(in_snippets(s), in_snippets(e)))
            for video, s, e in ambiguous
        )
    ]


def runs(mask):
    """First step and step after the last of each run of True."""
    begin = None
    for step, on in enumerate([*mask, False]):
        if on and begin is None:
            begin = step
        if not on and begin is not None:
            yield begin, step
            begin = None


def stretched(values, wanted):
    return (values - values.min()) / (values.max() - values.min()) if wanted else values


def suppressed(proposals, sigma, min_score):
    """Gaussian soft-NMS of rows of start, end, score, one proposal after another."""
    while proposals:
        best = max(proposals, key=lambda row: row[2])
        proposals.remove(best)
        if best[2] <= min_score:
            break
        yield tuple(best)
        for row in proposals:
            row[2] *= math.exp(-(tiou(best, row) ** 2) / sigma)


def scored(localizer, span, contrast, class_score, best_score, video):
    """Start and end in seconds and the score of a span of steps."""
    begin, end = span
    factor = localizer.upsampling
    margin = max(1, round(localizer.min_margin * factor), round(localizer.outer_ratio * (end - begin)))
    around = [*contrast[max(0, begin - margin) : begin], *contrast[end : end + margin]]
    score = contrast[begin:end].mean() - (np.mean(around) if around else 0)
    times = [min(max(0.0, video.grid.edge_s(step / factor)), video.duration_s) for step in span]
    return [
        *times,
        (score + localizer.video_weight * class_score) * (class_score / best_score) ** localizer.video_power,
    ]


def localize(localizer, scores, video):
    """The localizer step by step, for Gaussian suppression and cuts of ``product`` or ``cas``."""
    probability, attention, of_video = (part.double().numpy() for part in scores)
    steps, factor = len(attention) * localizer.upsampling, localizer.upsampling
    labels = [c for c, p in enumerate(of_video) if p > localizer.class_threshold] or [int(of_video.argmax())]
    centres, fine = np.arange(len(attention)), (np.arange(steps) + 0.5) / factor - 0.5
    detections = []
    for label in labels:
        cas, weight = probability[:, label], localizer.attention_weight
        sequences = {"cas": cas, "attention": attention, "product": cas ** (1 - weight) * attention**weight}
        sequences = {name: np.interp(fine, centres, values) for name, values in sequences.items()}
        contrast = stretched(sequences[localizer.contrast], localizer.stretch_contrast)
        cut = [stretched(sequences[name], localizer.stretch_cut) for name in localizer.cut]
        spans = {span for sequence in cut for threshold in localizer.cuts for span in runs(sequence > threshold)}
        least = round(localizer.min_length * factor)
        long = [span for span in sorted(spans) if span[1] - span[0] >= least]
        proposals = [scored(localizer, span, contrast, of_video[label], of_video.max(), video) for span in long]
        proposals = [row for row in proposals if row[2] > localizer.min_score and row[1] > row[0]]
        best = sorted(proposals, key=lambda row: -row[2])[: localizer.max_proposals]
        for start_s, end_s, score in suppressed(best, localizer.sigma, localizer.min_score):
            detections.append((start_s, end_s, label, score))
    return sorted(detections, key=lambda row: -row[3])[: localizer.max_detections]


def trapezoid_of_precision(score, truth):
    """Area under the straight lines between the points of precision over recall, one threshold after another."""
    points = [(0.0, 1.0)]
    for level in sorted(set(score), reverse=True):
        hits = [bool(t) for s, t in zip(score, truth, strict=True) if s >= level]
        points.append((sum(hits) / sum(truth), sum(hits) / len(hits)))
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def vadclip_map(probabilities, segments, threshold, normal_instances):
    """VadCLIP's fine-grained mAP, step by step; the normal class comes first and may have instances."""
    precisions = []
    for column in range(probabilities[0].shape[1]):
        ranked = []
        for video, probability in enumerate(probabilities):
            curve, own = probability[:, column], []
            mean = np.mean(-np.sort(-curve)[: len(curve) // 16])
            cut = np.max(curve) - (np.max(curve) - np.min(curve)) * np.float64(0.6)
            start = None
            for frame in range(len(curve) + 1):
                inside = frame < len(curve) and curve[frame] > cut
                if inside and start is None:
                    start = frame
                elif not inside and start is not None:
                    if frame - start >= 2:
                        own.append((video, start, frame, np.max(curve[start:frame]) + 0.7 * mean))
                    start = None
            ranked += [own[place] for place in np.argsort([-row[3] for row in own])] if own else []
        if not ranked:
            return 0.0
        ranked = [ranked[place] for place in np.argsort([-row[3] for row in ranked])]
        truth = [tuple(row[[0, 2, 3]]) for row in segments if row[1] == column - 1]
        if column == 0 and normal_instances:
            normal = set(range(len(probabilities))) - set(segments[:, 0].astype(int))
            truth = [(video, 0, len(probabilities[video])) for video in sorted(normal)]
        free, hits = list(truth), []
        for video, start, end, _ in ranked:
            overlaps = [tiou((start, end), one[1:]) if one[0] == video else -1.0 for one in free]
            best = int(np.argmax(overlaps)) if overlaps else -1
            hits.append(bool(overlaps) and overlaps[best] >= threshold)
            if hits[-1]:
                del free[best]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        precisions.append(float(np.sum(precision * hits) / len(truth)) if sum(hits) else 0.0)
    return float(np.mean(precisions))
