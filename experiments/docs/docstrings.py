"""Docstrings of the project as Markdown: doctests become blocks of code, ``::`` before a block a colon."""

import re

import griffe

_DOCTEST = re.compile(r"^( *)>>> .*(?:\n *\S.*)*", re.MULTILINE)  # to the next empty line


def as_markdown(text: str) -> str:
    r"""A docstring with its doctests in fences.

    >>> as_markdown("Add.\n\n>>> 1 + 1\n2")
    'Add.\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    return _DOCTEST.sub(r"\1```pycon\n\g<0>\n\1```", re.sub(r"::$", ":", text, flags=re.MULTILINE))


class Docstrings(griffe.Extension):
    """Changes every docstring when its object has been read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
