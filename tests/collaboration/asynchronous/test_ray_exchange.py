"""The exchange of actors of Ray, with an actor that answers in this process."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from wtal.collaboration import Thresholds
from wtal.collaboration.asynchronous import FolderExchange, LabelPacket, RayExchange
from wtal.errors import PredictionError
from wtal.io.versioned_files import VersionedFiles


class Actor:
    """Has the methods of an object as a handle of Ray has them; a reference is the answer itself."""

    def __init__(self, behind):
        self.behind = behind

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self.behind, name))


@pytest.fixture
def exchange(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda reference: reference))
    return RayExchange(tmp_path, Actor(VersionedFiles(tmp_path, ".npz")))


def packet(version):
    scores = np.zeros(3, np.float16)
    label, classes = np.array([1, 0, -1], np.int8), np.array([2, -1, -1], np.int16)
    return LabelPacket(version, 7 * version, False, Thresholds(0.9, 0.1), label, classes, scores, scores[:, None])


def test_its_packets_are_those_of_the_folder(exchange, tmp_path):
    assert exchange.latest("cbp") == 0
    exchange.publish("cbp", packet(1))
    FolderExchange(tmp_path).publish("cbp", packet(2))
    assert exchange.latest("cbp") == FolderExchange(tmp_path).latest("cbp") == 2
    for version in (1, 2):
        found = exchange.read("cbp", version)
        assert (found.version, found.step, found.digest) == (version, 7 * version, packet(version).digest)
        assert found.label.flags.writeable  # objects of Ray are not, and torch warns


def test_a_missing_packet_is_named(exchange):
    with pytest.raises(PredictionError, match=r"000003\.npz cannot be read"):
        exchange.read("cbp", 3)


def test_the_branches_see_that_it_is_closed(exchange):
    assert not exchange.is_closed()
    exchange.close()
    assert exchange.is_closed()
