"""XML of other programs; the files may come from an untrusted source."""

import re
from pathlib import Path
from xml.etree import ElementTree

from wtal.errors import WTALError
from wtal.io.text import read_any_text

__all__ = ["read_xml"]


def read_xml(path: Path, tag: str, program: str, error: type[WTALError]) -> ElementTree.Element:
    """The root of an XML document.

    Args:
        path: The file.
        tag: The tag that the root must have.
        program: Name of the program that writes such files, for messages.
        error: Type of the errors that are raised.

    Raises:
        WTALError: Of the given type, if the file is no such document, or declares entities, which may expand
            without end.
    """
    text = read_any_text(path, error)[0]
    try:
        if "<!ENTITY" in text or "<!DOCTYPE" in text:
            raise ElementTree.ParseError("it declares entities")
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text))
    except (ElementTree.ParseError, ValueError) as problem:
        raise error(f"{path} is not a file of {program} ({problem}): save it again.") from problem
    if root.tag != tag:
        raise error(f"{path} is not a file of {program}, as it begins with <{root.tag}>: give its own export.")
    return root
