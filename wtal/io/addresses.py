"""Where a path may also be an address: of a repository on the Hugging Face Hub, or of anything that fsspec knows."""

from pathlib import Path

from wtal.io import hub
from wtal.io.hub import is_hub_address
from wtal.io.remote import is_remote_address
from wtal.io.remote_cache import fetch_remote

__all__ = ["fetched", "is_address"]


def is_address(text: str | Path) -> bool:
    """Whether a text or path is an address, ``hf://``, ``s3://`` and so on, and not a path."""
    return is_hub_address(text) or is_remote_address(text)


def fetched(path: Path) -> Path:
    """A path as it is; for an address, the path of the local copy.

    Raises:
        HubError, RemoteError: If there is nothing at the address, or the transfer fails.
        MissingPackageError: If a package is not installed that it needs.
    """
    return fetch_remote(path) if is_remote_address(path) else hub.fetched(path)
