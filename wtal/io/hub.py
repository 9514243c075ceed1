"""The Hugging Face Hub: repositories by their addresses, downloads that run no code, uploads in one commit."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtal.errors import HubError
from wtal.io.extras import from_extra

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["HubAddress", "Kind", "cache_folder", "download", "fetched", "is_hub_address", "upload"]

Kind = Literal["model", "dataset"]

# What a run or a feature store consists of. No pickle is among them: it would not even be downloaded.
_PATTERNS = ("safetensors", "json", "yaml", "npy", "npz", "h5", "csv", "md", "txt")
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(rf"(?:hf:/{{1,2}})?(datasets/)?({_NAME}/{_NAME})(?:@([\w.-]+))?(?:/(.+))?")


@dataclass(frozen=True)
class HubAddress:
    """Where a run or a feature store lies on the Hub.

    Args:
        repo: User or organization, and name of the repository.
        kind: Kind of the repository; None if the address does not say it.
        revision: A branch, tag or commit; None for the newest.
        inside: Folder in the repository; empty for the whole of it.
    """

    repo: str
    kind: Kind | None = None
    revision: str | None = None
    inside: str = ""

    @classmethod
    def parse(cls, text: str | Path) -> "HubAddress":
        """Parse ``[hf://][datasets/]user/repo[@revision][/folder]``; a path has lost one of the slashes.

        Raises:
            HubError: If it has another form.

        >>> HubAddress.parse("hf://datasets/me/thumos@v1/i3d")
        HubAddress(repo='me/thumos', kind='dataset', revision='v1', inside='i3d')
        >>> HubAddress.parse(Path("hf://me/run"))
        HubAddress(repo='me/run', kind=None, revision=None, inside='')
        """
        found = _ADDRESS.fullmatch(str(text).rstrip("/"))
        inside = found[4] or "" if found else ""
        if found is None or ".." in Path(inside).parts:
            typed = re.sub("^hf:/+", "hf://", str(text))
            raise HubError(f"{typed} is no address on the Hub: write hf://user/repo, or hf://datasets/user/repo.")
        if Path(inside).suffix in (".yaml", ".yml"):  # whatever a configuration names is called
            raise HubError(f"{text} is a configuration, which is not taken from the Hub unread: `wtal pull` it first.")
        return cls(found[2], "dataset" if found[1] else None, found[3], inside)

    def __str__(self) -> str:
        kind, revision = "datasets/" if self.kind == "dataset" else "", f"@{self.revision}" if self.revision else ""
        return f"hf://{kind}{self.repo}{revision}{f'/{self.inside}' if self.inside else ''}"


def is_hub_address(text: str | Path) -> bool:
    """Whether a text or path is meant as an address on the Hub."""
    return str(text).startswith("hf:/")


def download(address: HubAddress) -> Path:
    """Download a repository into the Hub's cache, or complete what an interrupted download left there.

    Only files that a run or a feature store consists of are taken; no pickle is among them. Without a connection, what
    was downloaded completely before is used.

    Returns:
        Folder of the files, whose name is the commit.

    Raises:
        HubError: If there is no such repository, revision or folder, or the connection fails.
        MissingPackageError: If ``wtal[hub]`` is not installed.
    """
    folder = Path(_downloaded(address))
    if not (folder / address.inside).exists():
        raise HubError(f"{address} does not exist: {address.repo} has no {address.inside} that wtal can read.")
    return folder


def _downloaded(address: HubAddress) -> str:
    with from_extra("hub"):
        from huggingface_hub.errors import RepositoryNotFoundError
    below = f"{address.inside}/" if address.inside else ""
    patterns = [f"{below}*.{suffix}" for suffix in _PATTERNS]
    if address.inside.endswith(tuple(f".{suffix}" for suffix in _PATTERNS)):  # a single file
        patterns.append(address.inside)
    kinds: tuple[Kind, ...] = ("model", "dataset") if address.kind is None else (address.kind,)
    with _as_own_errors(f"{address} was not downloaded"):
        for kind in kinds:
            try:
                return str(
                    _api().snapshot_download(
                        address.repo, repo_type=kind, revision=address.revision, allow_patterns=patterns
                    )
                )
            except RepositoryNotFoundError:
                if kind == kinds[-1]:
                    raise
    raise AssertionError


def fetched(path: Path) -> Path:
    """A path as it is; for an address on the Hub, the folder of its downloaded files.

    Raises:
        HubError: As :func:`download` does.
    """
    if not is_hub_address(path):
        return path
    address = HubAddress.parse(path)
    return download(address) / address.inside


def upload(folder: Path, repo: str, kind: Kind, message: str, private: bool = False) -> str:
    """Upload a folder in one commit: an interrupted upload changes nothing, and what arrived is not sent again.

    Args:
        folder: The folder; only files of those kinds that :func:`download` takes are sent.
        repo: User or organization, and name of the repository, which is made if there is none.
        kind: Kind of the repository.
        message: Message of the commit.
        private: Whether a new repository is private.

    Returns:
        Address of the commit in a browser.

    Raises:
        HubError: If the repository's name is wrong, one may not write to it, or the connection fails.
        MissingPackageError: If ``wtal[hub]`` is not installed.
    """
    with from_extra("hub"):
        api = _api()
    with _as_own_errors(f"Nothing was committed to {repo}"):
        api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type=kind,
            commit_message=message,
            allow_patterns=[f"*.{suffix}" for suffix in _PATTERNS],
        )
    return str(done.commit_url)


def cache_folder() -> Path:
    """Folder for what is made of downloads, beside those of the Hub's own client."""
    with from_extra("hub"):
        from huggingface_hub import constants
    return Path(constants.HF_HUB_CACHE).parent / "wtal"


def _api() -> "HfApi":
    with from_extra("hub"):
        from huggingface_hub import HfApi
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="wtal")


@contextmanager
def _as_own_errors(what: str) -> Iterator[None]:
    """Turn whatever the client raises into one sentence.

    Raises:
        HubError: In place of any error.
    """
    try:
        yield
    except Exception as error:  # the client's, those of its HTTP library, and the system's have no common base
        raise HubError(f"{what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return "it is private, does not exist, or your token does not allow it; run `hf auth login`"
    if status == 404:
        return "there is no such repository or revision; look for a mistake in its name"
    if type(error).__name__ == "HFValidationError":
        return "the name of a repository has the form user/repo"
    if type(error).__name__ in ("ConnectError", "LocalEntryNotFoundError"):
        return "the Hub cannot be reached; look at the network, and at HF_ENDPOINT if you have set it"
    lines = str(error).strip().splitlines()
    detail = f"{type(error).__name__}{f': {lines[0][:200].rstrip(chr(46))}' if lines else ''}"
    return f"the transfer failed ({detail}); run the same command again: what has arrived is kept"
