"""Lazy imports for a package: a name is imported on first use, so that reading annotations loads no torch."""

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package.

    The package offers what its source imports under ``if TYPE_CHECKING:``, so a type checker reads the same list.

    Args:
        package: ``__name__`` of the package.
    """

    @cache
    def homes() -> dict[str, str]:
        loader: Any = sys.modules[package].__spec__.loader  # type: ignore[union-attr]
        blocks = [node for node in ast.parse(loader.get_source(package)).body if isinstance(node, ast.If)]
        imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
        return {alias.name: node.module or "" for node in imports for alias in node.names}

    def get(name: str) -> Any:  # noqa: ANN401  whatever the package exports
        if name.startswith("__") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes()[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes()})

    return get, names
