"""List the configurations that come with wtal, or print one."""

from pathlib import Path

from wtal.io.shipped import find_config, shipped_configs, summary_of

__all__ = ["run"]


def run(name: str | None = None, /) -> None:
    """List the configurations that come with wtal, or print one.

    Every command that takes a configuration finds them by these names from any folder: ``wtal fit -c synthetic.yaml``.

    Args:
        name: Name of the configuration to print.

    Raises:
        ConfigError: If no configuration has that name.
    """
    shipped = shipped_configs()
    if name is not None:
        print(find_config(Path(name)).read_text(encoding="utf-8"), end="")
        return
    width = max(map(len, shipped), default=0)
    for known, path in shipped.items():
        print(f"{known:{width}}  {summary_of(path)}")
