import pytest

from wtal.errors import AnnotationError
from wtal.io.text import expanded, plain, read_any_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_text_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("video,label\na,Kür\n".encode(encoding))
    assert read_any_text(tmp_path / "a.txt", AnnotationError)[0] == "video,label\na,Kür\n"


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0", b"a\0b", b"\x81"])
def test_a_workbook_is_no_text(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AnnotationError, match=r'a.csv cannot be read as text: save it in UTF-8.*"CSV UTF-8"'):
        read_any_text(tmp_path / "a.csv", AnnotationError)


def test_decomposed_names_equal_composed_ones():
    assert plain("cafe\u0301 ") == "caf\u00e9"


def test_the_home_folder_and_variables_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home_of_me")
    assert expanded("~/data") == expanded("$HOME/data") == expanded("${HOME}/data") == "/home_of_me/data"
    assert expanded("$HOME") == "/home_of_me"
    for text in ("~", "a~/b", "$NOT_SET/x", "costs $HOME", "no path"):
        assert expanded(text) == text
