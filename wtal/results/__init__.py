"""What a run leaves on disk, and what is computed from it: records, predictions, scores, evaluation, tables.

The classes are imported when they are asked for: whoever looks for files alone then waits for no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtal.results.identity import Identity
    from wtal.results.record import Record, read_record
    from wtal.results.run_folder import RunFolder

__all__ = ["Identity", "Record", "RunFolder", "read_record"]

_HOME = {"Identity": "identity", "Record": "record", "RunFolder": "run_folder", "read_record": "record"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"wtal.results.{_HOME[name]}"), name)
