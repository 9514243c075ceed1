"""The spellings of command-line options; no heavy import, as help must answer at once."""

from collections.abc import Collection, Sequence

from wtal.io.text import expanded

__all__ = ["plain_options"]


def plain_options(
    argv: Sequence[str], switches: Collection[str] = (), known: Collection[str] | None = None
) -> list[str]:
    """Write the names of options with underscores, switches with a value, and paths with the home folder for ``~``.

    Args:
        argv: Words of the command line; what follows a lone ``--`` is not an option.
        switches: Names of options that mean ``true`` when no value follows.
        known: Names of the options to rewrite, so that an error quotes any other as it was typed; None for all.

    >>> plain_options(["fit", "--then-test", "--name=my-run", "-c", "my-file.yaml"], ["then_test"])
    ['fit', '--then_test=true', '--name=my-run', '-c', 'my-file.yaml']
    >>> plain_options(["--then-test", "false", "--seed-everything", "3"], ["then_test"])
    ['--then_test', 'false', '--seed_everything', '3']
    """
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    pairs = zip(words[:end], [*words[:end], ""][1:], strict=True)
    return [_plain(word, following, switches, known) for word, following in pairs] + words[end:]


def _plain(word: str, following: str, switches: Collection[str], known: Collection[str] | None) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.removeprefix("--").partition("=")
    value = expanded(value)  # a shell does so only in a word of its own
    name = name.replace("-", "_")
    if known is not None and name not in known:
        return word
    if name in switches and not equals and following.lower() not in ("true", "false"):
        return f"--{name}=true"
    return f"--{name}{equals}{value}"
