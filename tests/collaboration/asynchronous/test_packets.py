import numpy as np
import pytest

from wtal.collaboration import Thresholds
from wtal.collaboration.asynchronous import ExchangeSettings, FolderExchange, LabelPacket
from wtal.errors import ConfigError, PredictionError


def packet(version=1, label=(1, 0, -1), is_final=False):
    rows = np.array(label, np.int8)
    scores = np.linspace(0, 1, len(rows), dtype=np.float16)
    classes = np.where(rows == 1, 2, -1).astype(np.int16)
    return LabelPacket(version, 7, is_final, Thresholds(0.9, 0.1), rows, classes, scores, scores[:, None])


def test_a_packet_comes_back_as_it_was_published(tmp_path):
    exchange = FolderExchange(tmp_path)
    assert exchange.latest("cbp") == 0
    for version in (1, 2):
        exchange.publish("cbp", packet(version, is_final=version == 2))
    found = exchange.read("cbp", exchange.latest("cbp"))
    assert (found.version, found.step, found.is_final, found.thresholds) == (2, 7, True, Thresholds(0.9, 0.1))
    assert found.label.tolist() == [1, 0, -1]
    assert found.class_index.tolist() == [2, -1, -1]
    assert found.probability.tolist() == [[0.0], [0.5], [1.0]]
    assert found.digest == packet(2, is_final=True).digest


def test_the_digest_tells_other_labels_apart():
    assert packet(1).digest == packet(2).digest
    assert packet(label=(1, 0, 0)).digest != packet(label=(1, 0, -1)).digest


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_torn_packet_is_refused(tmp_path, cut):
    exchange = FolderExchange(tmp_path)
    exchange.publish("cbp", packet())
    file = tmp_path / "cbp" / "packets" / "000001.npz"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(PredictionError, match=r"000001\.npz is not a whole packet"):
        exchange.read("cbp", 1)


def test_a_draft_is_no_packet(tmp_path):
    folder = tmp_path / "cbp" / "packets"
    folder.mkdir(parents=True)
    (folder / ".000001.npz.12.tmp").write_bytes(b"half")
    assert FolderExchange(tmp_path).latest("cbp") == 0


@pytest.mark.parametrize("wrong", [{"bound": 0}, {"every": 0}, {"decay": 0.0}, {"decay": 1.5}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match="exchange"):
        ExchangeSettings(**wrong)
