import pytest

from wtal.errors import PredictionError
from wtal.results import CameVideo, StreamEpoch, StreamRecord

RECORD = StreamRecord(
    [CameVideo(0, "a,b", ("run", "jump")), CameVideo(2, "c", (), {"vlp": 0.5, "fused": 0.25})],
    [
        StreamEpoch(0, 1, 1, 1, 2),
        StreamEpoch(2, 1, 2, 2, 2, {"vlp/mAP": 0.5, "vlp/faded": 0.5, "fused/mAP": 0.25, "fused/faded": 0.25}),
        StreamEpoch(4, 0, 2, 2, 2, {"vlp/faded": 0.5, "vlp/forgetting": -0.125, "fused/faded": 0.25}),
    ],
)


def test_a_record_is_read_back(tmp_path):
    assert not StreamRecord.is_in(tmp_path / "stream")
    RECORD.write(tmp_path / "stream")
    assert StreamRecord.is_in(tmp_path / "stream")
    read = StreamRecord.read(tmp_path / "stream")
    assert read == RECORD
    assert read.sources == ["vlp", "fused"]


@pytest.mark.parametrize("text", ["epoch,video_id\n0,a\n", "epoch,video_id,labels\nx,a,run\n"])
def test_a_damaged_record_is_one_sentence(tmp_path, text):
    RECORD.write(tmp_path)
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(PredictionError, match="is not the record of a stream"):
        StreamRecord.read(tmp_path)
