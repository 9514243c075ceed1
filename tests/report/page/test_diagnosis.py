import numpy as np
import pytest

from wtal.metrics.diagnosis import KINDS, THUMOS14_BINS, diagnose
from wtal.report.page.diagnosis import diagnoses, diagnosis_tables, missed_chart, stacks
from wtal.report.page.material import gather


def test_the_page_shows_the_diagnosis_of_each_method(made):
    material = gather([made.folder])
    diagnosed = diagnoses(material)
    order = {video.video_id: row for row, video in enumerate(made.videos)}
    true = np.array([[order[v], made.classes.index(c), a, b] for v, c, a, b in made.segments.itertuples(index=False)])
    for method, stack in zip(material.methods, stacks(material, diagnosed), strict=True):
        found = np.array(
            [
                [order[name], label, start, end, score]
                for name, detections in made.detections[method.source].items()
                for start, end, label, score in zip(*(column.tolist() for column in detections), strict=True)
            ]
        )
        durations = [video.duration_s for video in made.videos]
        expected = diagnose(found, true, durations, (0.5,), THUMOS14_BINS, made.classes)
        first = expected.false_positives[expected.false_positives["cut"] == "1G"].set_index("kind")["share"]
        shares = {kind: share for kind, _, _, share in stack.parts}
        assert list(shares) == list(KINDS)
        assert shares == pytest.approx({kind: first.get(kind, 0.0) for kind in KINDS})
        begins = [begin for _, _, begin, _ in stack.parts]
        assert begins == pytest.approx([0.0, *np.cumsum(list(shares.values()))[:-1]])
        lengths = expected.false_negatives[expected.false_negatives["characteristic"] == "length"]
        kinds, missed = diagnosis_tables(material, diagnosed)
        (row,) = (row for row in missed.rows if row.name == method.name)
        assert [cell[0] for cell in row.cells] == [f"{100 * rate:.1f}" for rate in lengths["rate"]]
        (row,) = (row for row in kinds.rows if row.name == method.name)
        assert [cell[0] for cell in row.cells] == [f"{100 * share:.1f}" for share in shares.values()]


def test_without_ground_truth_there_is_no_diagnosis(made):
    material = gather([made.folder / "predictions" / "cbp.json"])
    assert (diagnoses(material), stacks(material, {}), diagnosis_tables(material, {})) == ({}, [], [])
    assert missed_chart(material, {}) is None
