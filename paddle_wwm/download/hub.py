"""A repository of a Hugging Face hub or mirror: which of its files a model needs, and those files here, checked.

huggingface_hub compares sizes only. Here every file is also compared with the checksum that the hub states for it: the
sha256 of large files, git's blob sha1 of small ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator

import requests
from huggingface_hub import (
    HfApi,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ..errors import DownloadError
from ..files import sha256_of_file
from .addresses import hub_endpoint, without_secrets
from .home import told_when_full
from .network import MAX_FILE_BYTES, Network, WrongLength

logger = logging.getLogger(__name__)

# Each row: the first of these that a repository has is taken; a model needs one of every required row.
CONFIGS = (r"config\.json", r"bert_config\.json", r"model_config\.json")
WEIGHTS = (
    r"model\.safetensors",
    r"model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json",
    r"pytorch_model\.bin",
    r"pytorch_model-\d{5}-of-\d{5}\.bin|pytorch_model\.bin\.index\.json",
    r"model_state\.pdparams",
    r"model_state-\d{5}-of-\d{5}\.pdparams|model_state\.pdparams\.index\.json",
    r"bert_model\.ckpt\.(index|data-\d{5}-of-\d{5})",
)
REQUIRED = {
    "a configuration (config.json)": CONFIGS,
    "weights (model.safetensors, pytorch_model.bin, model_state.pdparams)": WEIGHTS,
}
OPTIONAL = (r"vocab\.txt", r"tokenizer_config\.json")  # the second says whether the model is cased
SHA256, SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a repository. checksum: its sha256, or git's blob sha1 (40 digits), in hexadecimal. None: the server
    does not say.
    """

    name: str
    size_bytes: int | None
    checksum: str | None = None

    @property
    def checked_by(self) -> str:
        """What the file is compared with, in words."""
        return "size only" if self.checksum is None else {40: "git sha1", 64: "sha256"}[len(self.checksum)]


@dataclass(frozen=True, kw_only=True)
class RemoteModel:
    """The needed files of one commit of a repository."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes or 0 for file in self.files)


def choose_files(names: Iterable[str], *, source: str) -> list[str]:
    """The files of a repository that a model needs: never those of other frameworks. Raises DownloadError naming what
    is not there.
    """
    names = sorted(names)
    found = {
        what: next((matches for row in rows if (matches := [name for name in names if re.fullmatch(row, name)])), [])
        for what, rows in REQUIRED.items()
    }
    if missing := [what for what, matches in found.items() if not matches]:
        raise DownloadError(
            f"{source}: holds no model that can be read: {' and '.join(missing)} missing; it has "
            f"{', '.join(names) or 'no files'}."
        )
    small = [name for name in names if re.fullmatch("|".join(OPTIONAL), name)]
    return [*small, *(name for matches in found.values() for name in matches)]


def look_up(repository: str, *, revision: str, network: Network) -> RemoteModel:
    """Ask the hub which files a model needs, with sizes and checksums. Raises DownloadError."""
    endpoint = hub_endpoint()
    with _errors_of_hub(repository, revision=revision), network.hub_session():
        ask = partial(HfApi(endpoint=endpoint).model_info, repository, revision=revision, files_metadata=True)
        info = network.until_whole(ask, title=repository)
        if info.sha is None or not re.fullmatch(r"\w[\w.-]{0,99}", info.sha):  # it becomes a folder's name
            raise DownloadError(
                f"{without_secrets(endpoint)}: states no commit for {repository}; is it a mirror of the hub "
                f"(HF_ENDPOINT)?"
            )
        known = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        files = []
        for name in choose_files(known, source=f"{repository} at {without_secrets(endpoint)}"):
            sibling = known[name]
            size, checksum = sibling.size, sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
            if size is None or not _is_checksum(checksum):  # a mirror without details: the file's own headers have them
                metadata = get_hf_file_metadata(
                    hf_hub_url(repository, name, revision=info.sha, endpoint=endpoint), endpoint=endpoint
                )
                size, checksum = metadata.size, metadata.etag
            if size is None:
                raise DownloadError(f"{without_secrets(endpoint)}: states no size for {repository}/{name}.")
            files.append(RemoteFile(name=name, size_bytes=size, checksum=checksum if _is_checksum(checksum) else None))
    return RemoteModel(repository=repository, commit=info.sha, files=tuple(files))


def fetch_files(model: RemoteModel, *, folder: Path, network: Network) -> None:
    """Bring the files of a model into `folder`, whole and checked; files that are there already are kept, cut ones are
    gone on with.

    A file that is in huggingface_hub's own cache is linked, not fetched. Raises DownloadError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.files:
        path = folder / file.name
        if path.exists() and is_right(path, file):
            continue
        path.unlink(missing_ok=True)
        cached = try_to_load_from_cache(model.repository, file.name, revision=model.commit)
        if isinstance(cached, str) and is_right(Path(cached), file):
            path.symlink_to(Path(cached).resolve())
            continue
        _fetch_file(file, model=model, folder=folder, network=network)


def _fetch_file(file: RemoteFile, *, model: RemoteModel, folder: Path, network: Network) -> None:
    path = folder / file.name
    # The empty cache_dir keeps it from taking an unchecked copy out of its own cache.
    get = partial(hf_hub_download, model.repository, file.name, revision=model.commit, endpoint=hub_endpoint())
    get = partial(get, local_dir=folder, cache_dir=folder / ".cache" / "none")
    for last_try in (False, True):
        problem = "other bytes than its checksum says"
        try:
            with told_when_full(folder), _errors_of_hub(model.repository, revision=model.commit), network.hub_session():
                network.until_whole(
                    get, title=file.name, max_bytes=MAX_FILE_BYTES if file.size_bytes is None else file.size_bytes
                )
        except WrongLength as error:
            problem = str(error)
        else:
            if is_right(path, file):
                return
        path.unlink(missing_ok=True)
        shutil.rmtree(
            folder / ".cache", ignore_errors=True
        )  # what huggingface_hub remembers of it, and what it would go on from
        if last_try:
            break
        logger.warning("%s: %s; fetching it again", file.name, problem)
    raise DownloadError(
        f"{model.repository}/{file.name}: {without_secrets(hub_endpoint())} has sent, twice, {problem} "
        f"({file.checksum or 'none stated'}). "
        "Both were deleted. Try another mirror (HF_ENDPOINT), or later."
    )


def find_in_hub_cache(repository: str, *, revision: str) -> tuple[RemoteModel, Path] | None:
    """A model that huggingface_hub has cached for another program (transformers): its files and their folder, without
    the network.
    """
    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        names = choose_files((path.name for path in folder.iterdir() if path.is_file()), source=str(folder))
    except (LocalEntryNotFoundError, HFValidationError, OSError, DownloadError):
        return None
    files = []
    for name in names:
        blob = (folder / name).resolve()  # a cached file is a link to one named by its checksum
        checksum = blob.name if _is_checksum(blob.name) else None
        files.append(RemoteFile(name=name, size_bytes=blob.stat().st_size, checksum=checksum))
        if not is_right(blob, files[-1]):
            return None
    return RemoteModel(repository=repository, commit=folder.name, files=tuple(files)), folder


def is_right(path: Path, file: RemoteFile) -> bool:
    """Whether a file here has the size and the checksum of the one in the repository."""
    if path.stat().st_size != file.size_bytes:
        return False
    checksum = sha256_of_file if file.checked_by == "sha256" else git_sha1_of_file
    return file.checksum is None or file.checksum == checksum(path)


def git_sha1_of_file(path: Path) -> str:
    """Return the sha1 that git names a file's bytes by."""
    header = f"blob {path.stat().st_size}\0".encode()
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


def _is_checksum(text: str | None) -> bool:
    return bool(text and (SHA256.fullmatch(text) or SHA1.fullmatch(text)))


@contextlib.contextmanager
def _errors_of_hub(repository: str, *, revision: str) -> Iterator[None]:
    """huggingface_hub's errors as ours, each with what to do."""
    endpoint = without_secrets(hub_endpoint())
    try:
        yield
    except GatedRepoError:
        raise DownloadError(
            f"{repository}: {endpoint} gives it only to accounts that have accepted its terms; do so, then "
            f"set HF_TOKEN."
        ) from None
    except RepositoryNotFoundError:
        raise DownloadError(
            f"{repository}: {endpoint} has no such repository, or a private one; if it is yours, set HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise DownloadError(
            f"{repository}: has no revision {revision!r} at {endpoint}; give a branch, a tag or a commit."
        ) from None
    except HFValidationError:
        raise DownloadError(f"{repository!r}: is no name of a repository; those have the form owner/name.") from None
    except requests.HTTPError as error:
        cause = (
            error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
        )  # it stands for whatever kept the file away
        response = getattr(cause, "response", None)
        if response is None:
            raise DownloadError(
                f"{repository}: {endpoint} gives no answer of a hub: {_first_line(cause or error)} Is "
                f"HF_ENDPOINT right?"
            ) from None
        if response.status_code == 416:  # asked to go on behind the end: what is here of the file is not part of it
            raise WrongLength("another length than it was said to have") from None
        hint = "; check HF_TOKEN" if response.status_code in (401, 403) else ""
        answer = f"{response.status_code} {response.reason} for {without_secrets(response.url)}"
        raise DownloadError(f"{repository}: {endpoint} answers {answer}{hint}.") from None
    except requests.RequestException as error:
        raise DownloadError(
            f"{repository}: {endpoint} gives no answer of a hub ({type(error).__name__}). Is HF_ENDPOINT right?"
        ) from None
    except OSError as error:
        if error.errno is None:
            raise WrongLength("another length than it was said to have") from None
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{repository}: {endpoint} gives no answer of a hub: {_first_line(error)} Is HF_ENDPOINT right?"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."
