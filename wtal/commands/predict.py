"""Localize actions in the test videos."""

__all__ = ["run"]


def run(*words: str) -> None:
    """Pass the words on to Lightning's command line, with the options and defaults of this project."""
    from wtal.training.cli import WTALCLI

    WTALCLI(["predict", *words])
