import pytest

from wtal.io.columns import COLUMNS, canonical, known


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("video-id,t-start,t-end,label,score", ("video", "start", "end", "label", "score")),  # the official evaluator
        ("label,youtube_id,time_start,time_end,split", ("label", "video", "start", "end", "subset")),  # Kinetics
        ("file_name,label,start_time,end_time", ("video", "label", "start", "end")),  # CreateML
        ("videoId,className,startTime,endTime", ("video", "label", "start", "end")),
        ("VIDEO NAME,Class,Start (s),End [sec]", ("video", "label", "start", "end")),
        ("filename,onset,offset,event_label", ("video", "start", "end", "label")),  # DESED
        ("Media file name,Behavior,Start (s),Stop (s)", ("video", "label", "start", "end")),  # BORIS
        ("Begin Time - msec,End Time - msec,Annotation", ("start_ms", "end_ms", "label")),  # ELAN
        ("video,type,typeIdx,start,end,startFrame", ("video", "label", "typeIdx", "start", "end", "start_frame")),
        ("video,t0,t1", ("video", "t0", "t1")),
    ],
)
def test_columns_of_other_programs(header, columns):
    assert canonical(header.split(","), COLUMNS) == columns


def test_no_name_stands_for_two_columns():
    names = [name for ours, others in COLUMNS.items() for name in (ours, *others)]
    assert len(set(names)) == len(names)
    assert set(canonical(names, COLUMNS)) >= set(COLUMNS)
    assert known("fps") == {"fps": COLUMNS["fps"]}
