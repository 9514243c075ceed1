"""The two spellings of command-line options; no heavy import, as help must answer at once."""

from collections.abc import Sequence

__all__ = ["with_underscores"]


def with_underscores(argv: Sequence[str]) -> list[str]:
    """Write the names of options with underscores; values stay as they are.

    Args:
        argv: Words of the command line; what follows a lone ``--`` is not an option.

    >>> with_underscores(["fit", "--then-test", "true", "--name=my-run", "-c", "my-file.yaml"])
    ['fit', '--then_test', 'true', '--name=my-run', '-c', 'my-file.yaml']
    """
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    return [_underscored(word) for word in words[:end]] + words[end:]


def _underscored(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.removeprefix("--").partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
