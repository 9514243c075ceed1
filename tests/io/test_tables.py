import pytest

from wtal.errors import AnnotationError, PredictionError
from wtal.io.columns import COLUMNS
from wtal.io.tables import Row, Table, in_seconds, read_table

NAMES = {"video": ("video_id", "filename"), "start": ("t_start",)}


def read(tmp_path, content, name="a.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, AnnotationError, NAMES, **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "video,label\na,run\nb,high jump\n"),
        ("a.csv", "video;label\r\na;run\r\nb;high jump"),
        ("a.csv", "video\tlabel\ra\trun\rb\thigh jump\r"),
        ("a.tsv", "video\tlabel\na\trun\nb\thigh jump\n"),
        ("a.csv", "sep=;\nvideo;label\na;run\nb;high jump\n"),
        ("a.csv", '"SEP=|";;\r\nvideo|label\r\na|run\r\nb|high jump\r\n'),
        ("a.csv", "\n\nvideo, label\na, run\n,\n   \nb, high jump,,\n"),
        ("a.csv", '"video","label"\n"a", "run"\n"b","high jump"\n'),
    ],
)
def test_one_table_in_many_forms(tmp_path, name, text):
    table = read(tmp_path, text, name)
    assert table.columns == ("video", "label")
    assert [row.cells for row in table.rows] == [("a", "run"), ("b", "high jump")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encodings_of_spreadsheets(tmp_path, encoding):
    content = "video\tlabel\na\tKür\n".encode(encoding)
    assert read(tmp_path, content).rows == [Row(2, ("a", "Kür"))]
    big_endian = b"\xfe\xff" + "video\na\n".encode("utf-16-be")
    assert read(tmp_path, big_endian).rows == [Row(2, ("a",))]


def test_a_quoted_cell_keeps_separators_quotes_lines_and_spaces(tmp_path):
    table = read(tmp_path, 'label,video\n"run, ""fast""\nand far"," a "\njump,b\n')
    assert table.rows == [Row(2, ('run, "fast"\nand far', " a ")), Row(4, ("jump", "b"))]


def test_lines_are_those_of_the_file(tmp_path):
    assert [row.line for row in read(tmp_path, "sep=,\n\nvideo\na\n\nb\n").rows] == [4, 6]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Video-ID,T Start", ("video", "start")),
        (" FILENAME ,t_start", ("video", "start")),
        ("video,filename", ("video", "filename")),
        ("filename,video_id", ("filename", "video")),
    ],
)
def test_known_columns_have_synonyms_in_any_spelling(tmp_path, header, columns):
    assert read(tmp_path, f"{header}\na,1\n").columns == columns


def test_other_columns_keep_their_spelling(tmp_path):
    assert read(tmp_path, "video,mAP@0.5,Train Seconds\n").columns == ("video", "mAP@0.5", "Train Seconds")


def test_decimal_commas_where_semicolons_separate(tmp_path):
    text = "video;start;label\na,b;1,5;run, fast\n"
    assert read(tmp_path, text, numbers=("start", "end")).rows == [Row(2, ("a,b", "1.5", "run, fast"))]
    assert read(tmp_path, text.replace(";", "\t"), numbers=("start",)).rows[0].cells[1] == "1.5"


def test_columns_are_read_by_name(tmp_path):
    table = read(tmp_path, "note,video,note\nx,a,y\n,b,\n")
    assert list(table.select("video", "note")) == [("a", "x"), ("b", "")]
    assert list(table.records()) == [(2, {"note": "x", "video": "a"}), (3, {"note": "", "video": "b"})]
    with pytest.raises(ValueError, match="there is no column `label`"):
        list(table.select("label"))


def test_a_file_without_rows_has_no_columns(tmp_path):
    for text in ("", "\n\n", "sep=;\n", ",,\n"):
        assert read(tmp_path, text) == Table(tmp_path / "a.csv", (), [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("video,label\na\n", "line 2: 2 columns expected, 1 found"),
        ("sep=,\nvideo,label\n\na,run,jump\n", "line 4: 2 columns expected, 3 found"),
        ("video,Video\n", "names the column `video` twice"),
        ("video,label\na,run\nb," + "x" * 200_000, r"line 3: field larger than"),
        (b"PK\x03\x04\0\0\xff\xfe", "cannot be read as text: save it in UTF-8"),
        (b"\xff\xfe\0", "cannot be read as text"),
        (b"video\n\x81\n", "cannot be read as text"),
    ],
)
def test_what_is_not_a_table_is_one_sentence_that_names_file_and_line(tmp_path, content, message):
    with pytest.raises(AnnotationError, match=rf"a\.csv.*{message}"):
        read(tmp_path, content)


@pytest.mark.parametrize("name", ["none.csv", "a\0b", "x" * 300, "\ud800"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    with pytest.raises(PredictionError, match="cannot be read"):
        read_table(tmp_path / name, PredictionError)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Table 1,\nvideo,label\na,run\n"),  # Numbers
        ("a.csv", "My clips;\n\nvideo;label\na;run\n"),
        ("a.csv", "# made by a script\n# video,label\na,run\n# the end\n"),
        ("a.tsv", "video;label\na;run\n"),
        ("a.txt", "video|label\na|run\n"),
    ],
)
def test_the_header_is_found_below_titles_and_comments(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    table = read_table(path, AnnotationError, {"video": (), "label": ()})
    assert (table.columns, [row.cells for row in table.rows]) == (("video", "label"), [("a", "run")])


def test_an_encoding_that_is_a_guess_is_noted(tmp_path):
    assert read(tmp_path, "video\nKür\n".encode("cp1252")).notes == (
        f"{tmp_path / 'a.csv'} is not in UTF-8 and was read as Windows' cp1252.",
    )
    assert read(tmp_path, "video\nKür\n").notes == ()


def test_milliseconds_become_seconds(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start_ms,label,end_ms\n1500,run,2500\n,jump,\n")
    table = in_seconds(read_table(path, AnnotationError, COLUMNS), AnnotationError)
    assert table.columns == ("start", "label", "end")
    assert [row.cells for row in table.rows] == [("1.5", "run", "2.5"), ("", "jump", "")]
    path.write_text("start_ms,end_ms\nsoon,1\n")
    with pytest.raises(AnnotationError, match=r"a.csv, line 2: 'soon' is not a number of milliseconds"):
        in_seconds(read_table(path, AnnotationError, COLUMNS), AnnotationError)
