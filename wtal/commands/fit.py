"""Train a branch or the collaboration."""

__all__ = ["run"]


def run(*words: str) -> None:
    """Hand the words to Lightning's command line, with the options and defaults of this project."""
    from wtal.training.cli import WTALCLI

    WTALCLI(["fit", *words])
