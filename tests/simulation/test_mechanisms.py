"""The two kinds of evidence: incomplete and precise, and over-complete."""

import numpy as np
import pytest

from wtal.simulation.evidence import Evidence, draw_evidence
from wtal.simulation.generation import simulate_video
from wtal.simulation.movement import draw_movement
from wtal.simulation.noise import mixed, random_stream, slow_noise, smoothed, sparse_directions
from wtal.simulation.params import CLIPParams, I3DParams, MovementParams, ShotParams, SimulationParams
from wtal.simulation.shots import draw_shots
from wtal.simulation.videos import Instance, SimulatedVideo
from wtal.simulation.world import draw_world

CLASSES = ("CliffDiving", "Diving", "Billiards", "run")
PARAMS = SimulationParams(i3d=I3DParams(dim=64, nuisances=4), clip=CLIPParams(dim=64))
STEP_S = 0.64


def video(number: int) -> SimulatedVideo:
    """A video of 200 s with instances of 8 s, 20 s apart."""
    instances = tuple(Instance(start, start + 8.0, (2 + number % 2,)) for start in range(15, 180, 20))
    return SimulatedVideo(f"video_{number}", "train", 312, instances)


@pytest.fixture(scope="module")
def world():
    return draw_world(CLASSES, PARAMS, seed=0)


@pytest.fixture(scope="module")
def drawn(world) -> list[Evidence]:
    return [draw_evidence(video(number), world.place, PARAMS, seed=0) for number in range(30)]


def over_all(drawn: list[Evidence], course: str, where) -> float:
    """Mean of a course of the only class of each video."""
    return float(np.concatenate([getattr(e, course)[where(e), 0] for e in drawn]).mean())


def inside(e: Evidence):
    return e.foreground[:, 0] == 1


def in_context(e: Evidence):
    return (e.foreground[:, 0] == 0) & (e.scene[:, 0] == 1)


def without_scene(e: Evidence):
    return (e.foreground[:, 0] == 0) & (e.scene[:, 0] == 0)


def test_i3d_evidence_covers_about_half_of_an_instance_and_little_else(drawn):
    strong = [np.concatenate([(e.i3d[where(e), 0] > 0.3) for e in drawn]) for where in (inside, in_context)]
    assert 0.4 < strong[0].mean() < 0.65
    assert strong[1].mean() < 0.12
    assert over_all(drawn, "i3d", without_scene) < 0.03


def test_clip_evidence_is_nearly_as_high_in_the_context_as_inside(drawn):
    levels = [over_all(drawn, "clip", where) for where in (inside, in_context, without_scene)]
    assert levels == pytest.approx([0.95, 0.78, 0.08], abs=0.06)


def test_cosines_follow_the_evidence(world, drawn):
    """About 0.205 + 0.075 * evidence, offsets of classes and videos aside."""
    means = {where: [] for where in (inside, in_context, without_scene)}
    for number, evidence in enumerate(drawn):
        features = simulate_video(video(number), world, PARAMS, seed=0).clip
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
        cosines = features @ world.clip.text[evidence.classes[0]]
        for where, found in means.items():
            found.append(cosines[where(evidence)])
    high, near, low = (np.concatenate(found).mean() for found in means.values())
    assert high > near > low + 0.03
    assert high - near < 0.3 * (high - low)


def test_features_of_i3d_point_to_the_class_in_its_climax(world):
    """Between a snippet with full evidence and one without, the class's directions make the difference."""
    evidence = draw_evidence(video(0), world.place, PARAMS, seed=0)
    drawn = simulate_video(video(0), world, PARAMS, seed=0)
    assert drawn.rgb.shape == drawn.flow.shape == (312, 64)
    assert drawn.rgb.min() >= 0
    response = (drawn.flow - drawn.flow.mean(axis=0)) @ world.flow.climax[2].mean(axis=0)
    assert response[evidence.i3d[:, 0] > 0.8].mean() > response[evidence.foreground[:, 0] == 0].mean() + 1


def test_a_movement_of_one_climax_by_hand():
    params = MovementParams(two_climaxes=0.0, climax_certainty=1e9, climax=0.5, smoothing_s=0.0)
    times_s = np.arange(0, 20, 0.25) + 0.125
    move = draw_movement(times_s, 4.0, 12.0, 0.5, 0.2, 0.0, params, np.random.default_rng(0))
    assert move.climax.sum() * 0.25 == pytest.approx(4.0, abs=0.3)  # half of 8 s
    first, last = times_s[move.climax > 0][[0, -1]]
    assert 4.0 <= first < last <= 12.0
    rest = (times_s > 4) & (times_s < 12) & (move.climax == 0)
    np.testing.assert_array_equal(move.before, 0.2 * (rest & (times_s < first)))
    np.testing.assert_array_equal(move.after, 0.2 * (rest & (times_s > last)))


def test_no_cut_lies_inside_an_instance():
    events = [Instance(start, start + 6.0, (0,)) for start in (5.0, 9.0, 30.0)]  # the first two overlap
    for seed in range(20):
        shots = draw_shots(events, 60.0, ShotParams(length_s=2.0), np.random.default_rng(seed))
        assert shots.edges_s[0] == 0
        assert shots.edges_s[-1] == 60
        assert (np.diff(shots.edges_s) > 0).all()
        for event in events:
            assert not ((shots.edges_s > event.start_s) & (shots.edges_s < event.end_s)).any()
        assert (shots.contexts_s[:, 0] <= [5, 9, 30]).all()
        assert (shots.contexts_s[:, 1] >= [11, 15, 36]).all()


def test_similar_classes_have_similar_texts(world):
    cosines = world.clip.text @ world.clip.text.T
    assert cosines[0, 1] == pytest.approx(0.64 + 0.36 * 0.35, abs=0.1)  # diving and cliff diving
    assert cosines[0, 2] == pytest.approx(0.64, abs=0.1)
    np.testing.assert_allclose(world.clip.text @ world.clip.image, 0, atol=1e-12)  # the modality gap
    np.testing.assert_array_equal(np.diag(world.clip.confusion), 1)


def test_a_video_without_instances_shows_nothing(world):
    evidence = draw_evidence(SimulatedVideo("empty", "", 40, ()), world.place, PARAMS, seed=0)
    assert evidence.i3d.shape == (40, 0)
    drawn = simulate_video(SimulatedVideo("empty", "", 40, ()), world, PARAMS, seed=0)
    assert np.isfinite(drawn.rgb).all()
    assert np.isfinite(drawn.clip).all()


def test_one_snippet_is_enough(world):
    short = SimulatedVideo("short", "", 1, (Instance(0.1, 0.2, (0,)),))
    drawn = simulate_video(short, world, PARAMS, seed=0)
    assert drawn.flow.shape == (1, 64)
    assert np.isfinite(drawn.flow).all()


def test_noise_by_hand():
    rng = random_stream(0, "test")
    rows = sparse_directions(rng, 50, 400)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    assert (rows != 0).mean() == pytest.approx(0.12, abs=0.01)
    slow = slow_noise(rng, 20000, 2, 0.9)
    assert slow.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(slow[1:, 0], slow[:-1, 0])[0, 1] == pytest.approx(0.9, abs=0.02)
    assert smoothed(np.ones(9), 2.0) == pytest.approx(np.ones(9))
    a, b = np.eye(2)[:1], np.eye(2)[1:]
    np.testing.assert_allclose(mixed(a, b, 0.25), [[0.5, np.sqrt(0.75)]])


def test_normal_videos_may_share_the_scene_of_an_anomaly(world):
    normal = [SimulatedVideo(f"normal_{number}", "train", 312, ()) for number in range(20)]
    shared = SimulationParams(ShotParams(shared_scene=1.0), i3d=PARAMS.i3d, clip=PARAMS.clip)
    without = [draw_evidence(one, world.place, PARAMS, seed=0) for one in normal]
    assert all(len(e.classes) == 0 and e.scene.shape[1] == 0 for e in without)
    drawn = [draw_evidence(one, world.place, shared, seed=0) for one in normal]
    assert {int(e.classes[0]) for e in drawn} == set(range(len(CLASSES)))
    assert all(e.foreground.max() == 0 for e in drawn)
    assert np.mean([(e.scene > 0).mean() for e in drawn]) == pytest.approx(PARAMS.shots.same_scene, abs=0.1)
    assert np.mean([e.clip[e.scene > 0].mean() for e in drawn]) == pytest.approx(PARAMS.clip.scene, abs=0.1)
    abnormal = video(0)  # untouched by the parameter
    one, other = (draw_evidence(abnormal, world.place, params, 0).clip for params in (shared, PARAMS))
    assert (one == other).all()
