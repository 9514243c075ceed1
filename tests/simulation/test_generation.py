import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from simulation.conftest import SMALL

from wtal.data import CustomDataModule, FeatureSource
from wtal.data.annotations import read_annotations
from wtal.errors import ConfigError, FeatureError
from wtal.io.fingerprint import checksum
from wtal.simulation import generation
from wtal.simulation.generation import simulate, simulate_video
from wtal.simulation.layouts import JOINT_FILE
from wtal.simulation.params import CLIPParams, MovementParams, SimulationParams

LAYOUTS = ("store", "two_stream", "joint", "wtalc")


def data_of(folder, annotations) -> CustomDataModule:
    """The data as the configuration that was written describes them."""
    given = yaml.safe_load((folder / "data.yaml").read_text())["data"]["init_args"]
    sources = {name: FeatureSource(**given.pop(name)) for name in ("i3d", "clip")}
    assert given.pop("annotations") == str(annotations.path)
    return CustomDataModule(annotations.path, **sources, **given)


def features(data: CustomDataModule) -> dict[str, dict[str, np.ndarray]]:
    return {
        name: parts.features.read(name, slice(None))
        for parts in (data.split("train"), data.split("test"))
        for name in parts.table.index
    }


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[v][s], b[v][s]) for v in a for s in ("i3d", "clip"))


def test_all_layouts_hold_the_same(annotations, tmp_path):
    found = []
    for layout in LAYOUTS:
        simulate(annotations, tmp_path / layout, SMALL, layout=layout, dtype="float32")
        found.append(features(data_of(tmp_path / layout, annotations)))
    assert {name: rows["i3d"].shape for name, rows in found[0].items()} == {
        "a": (62, 96), "b": (46, 96), "c": (46, 96), "d": (31, 96), "e": (31, 96),
    }  # fmt: skip
    assert all(same(found[0], other) for other in found[1:])
    joint = np.load(tmp_path / "wtalc" / JOINT_FILE, allow_pickle=True)
    assert joint.shape == (5,)
    np.testing.assert_array_equal(joint[0], found[0]["a"]["i3d"])
    assert (tmp_path / "two_stream" / "i3d" / "train" / "rgb" / "a.npy").is_file()
    assert not (tmp_path / "wtalc" / ".joint").exists()


def test_videos_of_equal_length_are_one_object_array_too(tmp_path):
    (tmp_path / "own.csv").write_text("video,label,start,end,duration\na,run,1,3,10\nb,run,1,3,10\n")
    annotations = read_annotations(tmp_path / "own.csv")
    simulate(annotations, tmp_path / "out", SMALL, layout="wtalc")
    assert np.load(tmp_path / "out" / JOINT_FILE, allow_pickle=True)[1].shape == (15, 96)
    assert set(features(data_of(tmp_path / "out", annotations))) == {"a", "b"}


def test_a_video_is_the_same_in_any_subset_and_differs_between_seeds(annotations, tmp_path):
    simulate(annotations, tmp_path / "all", SMALL)
    simulate(annotations, tmp_path / "some", SMALL, videos=["c"])
    simulate(annotations, tmp_path / "other", SMALL, seed=1, videos=["c"])
    for stream in ("i3d", "clip"):
        whole, some, other = (np.load(tmp_path / name / stream / "c.npy") for name in ("all", "some", "other"))
        np.testing.assert_array_equal(whole, some)
        assert np.abs(whole.astype(float) - other).max() > 0.1
    assert yaml.safe_load((tmp_path / "some" / "data.yaml").read_text())["data"]["init_args"]["missing"] == "skip"
    simulate(annotations, tmp_path / "some", SMALL)  # adds the rest
    assert same(*(features(data_of(tmp_path / name, annotations)) for name in ("all", "some")))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_finished_is_not_drawn_again(layout, annotations, tmp_path, monkeypatch):
    simulate(annotations, tmp_path / "at once", SMALL, layout=layout)
    drawn = []

    def draw(video, *given):
        drawn.append(video.name)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return simulate_video(video, *given)

    monkeypatch.setattr(generation, "simulate_video", draw)
    with pytest.raises(KeyboardInterrupt):
        simulate(annotations, tmp_path / "twice", SMALL, layout=layout)
    simulate(annotations, tmp_path / "twice", SMALL, layout=layout)
    simulate(annotations, tmp_path / "twice", SMALL, layout=layout)
    assert drawn == ["a", "b", "c", "c", "d", "e"]
    assert same(*(features(data_of(tmp_path / name, annotations)) for name in ("at once", "twice")))


def test_nothing_is_mixed_with_features_of_other_settings(annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL)
    with pytest.raises(FeatureError, match="simulated with `seed` 0, not 1: choose another --output"):
        simulate(annotations, tmp_path / "out", SMALL, seed=1)
    other = replace(SMALL, movement=MovementParams(hidden=0.5))
    with pytest.raises(FeatureError, match=r"simulated with `params\.movement\.hidden` 0\.2, not 0\.5"):
        simulate(annotations, tmp_path / "out", other)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.npy").touch()
    with pytest.raises(FeatureError, match="full holds other files: choose another --output"):
        simulate(annotations, tmp_path / "full", SMALL)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_record_is_one_sentence(content, annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL)
    (tmp_path / "out" / "simulation.json").write_text(content)
    with pytest.raises(FeatureError, match=r"simulation\.json is not|holds features that were simulated with"):
        simulate(annotations, tmp_path / "out", SMALL)


def test_nothing_is_added_to_a_joint_file(annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL, layout="wtalc", videos=["a"])
    with pytest.raises(FeatureError, match="holds other videos, and none can be added to it"):
        simulate(annotations, tmp_path / "out", SMALL, layout="wtalc")


def test_the_record_says_what_the_features_were_made_from(annotations, tmp_path):
    made = simulate(annotations, tmp_path / "out", SMALL, seed=7)
    record = json.loads((tmp_path / "out" / "simulation.json").read_text())
    digest = checksum(annotations.path)
    assert record["annotations"] == {"name": "own.csv", "sha256": digest}
    assert record["seed"] == 7
    assert record["params"]["i3d"]["dim"] == 48
    assert record["class_names"] == ["jump", "run", "throw"]
    assert made.note == f"simulated, seed 7, other parameters than the defaults, over own.csv (sha256 {digest[:12]})"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_call_the_features_simulated(layout, annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL, layout=layout)
    data = data_of(tmp_path / "out", annotations)
    data.features_note = "I3D of THUMOS14"  # whatever the user writes
    data.split("test")
    assert data.features_note.startswith("simulated, seed 0, other parameters than the defaults, over own.csv")


def test_the_checksum_of_a_folder_is_that_of_sha256sum(tmp_path):
    (tmp_path / "b.npy").write_bytes(b"")
    (tmp_path / "a.npy").write_bytes(b"a")
    assert checksum(tmp_path / "a.npy") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    # (sha256sum a.npy; sha256sum b.npy) | sha256sum
    assert checksum(tmp_path) == "e4786000d751860e5a0a62b9fd046827c882e503c5387be532078b374bfe45ff"


def test_latents_are_written_only_on_demand(annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL)
    assert not (tmp_path / "out" / "latents").exists()
    simulate(annotations, tmp_path / "out", SMALL, latents=True)
    with np.load(tmp_path / "out" / "latents" / "c.npz") as held:
        assert held["foreground"].shape == held["clip"].shape == (46, 2)
        assert held["classes"].tolist() == [0, 1]


def test_too_few_channels_for_the_texts(annotations, tmp_path):
    with pytest.raises(ConfigError, match=r"`params\.clip\.dim` is 3, too few for the texts of 3 classes: raise it"):
        simulate(annotations, tmp_path / "out", SimulationParams(clip=CLIPParams(dim=3)))


def test_features_of_before_a_parameter_existed_were_made_with_its_default(annotations, tmp_path):
    simulate(annotations, tmp_path / "out", SMALL)
    file = tmp_path / "out" / "simulation.json"
    record = json.loads(file.read_text())
    del record["params"]["shots"]["shared_scene"]
    file.write_text(json.dumps(record))
    simulate(annotations, tmp_path / "out", SMALL)
    shared = replace(SMALL, shots=replace(SMALL.shots, shared_scene=0.5))
    with pytest.raises(FeatureError, match=r"params.shots.shared_scene` 0.0, not 0.5"):
        simulate(annotations, tmp_path / "out", shared)
