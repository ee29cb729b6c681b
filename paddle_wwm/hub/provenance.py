"""What a module says about itself: the source, revision and checksum of its weights, and its licences.

provenance.json   all of it, with the checksum of the module's content
NOTICE            the same for people
moduleinfo        `hub show NAME` prints its summary, so the summary has the facts, too
LICENSE           the licence of the code; LICENSE.weights: the licence of the weights, if the user gives a file
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..conversion.result import RECORD_NAME as CONVERSION_RECORD_NAME
from ..download.addresses import is_url
from ..download.home import RECORD_NAME as DOWNLOAD_RECORD_NAME
from ..files import read_json
from ..model_config import ModelConfig, count_parameters
from ..runs.folder import RUN_NAME
from ..version import __version__
from ..weights import WEIGHTS_NAME
from .licences import CODE_LICENCE, Licence

NOTICE_NAME, PROVENANCE_NAME = "NOTICE", "provenance.json"
NOT_RECORDED = "not recorded"
FACTS = " Sizes: "  # in a summary: the facts follow


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where weights come from, as the records next to them say.

    Attributes:
        source: A repository, an address, or what made them.
        revision: The commit of the repository.
        files: The files that they were converted from: sha256 by name.
    """

    source: str = NOT_RECORDED
    revision: str = NOT_RECORDED
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The facts about a module.

    Attributes:
        config: The sizes of the model.
        licence: The licence of the weights.
        origin: Where the weights come from, or where they will be searched for.
        weights_sha256: The checksum of the weights inside; None: none are inside.
    """

    name: str
    version: str
    config: ModelConfig
    licence: Licence
    origin: Origin
    weights_sha256: str | None

    def summary(self, what: str) -> str:
        """Return the summary for `moduleinfo`: what the module is, then the facts."""
        config, num_parameters = self.config, count_parameters(self.config)
        number = f"{num_parameters / 1e6:.1f}M" if num_parameters >= 1_000_000 else f"{num_parameters:,}"
        sizes = (
            f"{config.num_hidden_layers} layers, hidden {config.hidden_size}, {config.num_attention_heads} heads, "
            f"vocabulary {config.vocab_size}, {number} parameters without heads."
        )
        return f"{what}{FACTS}{sizes} Licence: code {CODE_LICENCE}, weights {self.licence.text}. {self._weights()}"

    def notice(self) -> str:
        """Return the text of NOTICE."""
        lines = [
            f"{self.name} {self.version}, a PaddleHub module made by paddle_wwm {__version__}",
            "",
            f"Code: Copyright paddle_wwm developers; licence {CODE_LICENCE}, see LICENSE.",
            f"Licence of the weights: {self.licence.text}.",
            self._weights(),
        ]
        lines += [f"  converted from {name}, sha256 {digest}" for name, digest in self.origin.files.items()]
        return "\n".join(lines) + "\n"

    def record(self, *, content_sha256: str) -> dict[str, Any]:
        """Return the content of provenance.json."""
        return {
            "name": self.name,
            "version": self.version,
            "paddle_wwm": __version__,
            "licence_of_code": CODE_LICENCE,
            "licence_of_weights": self.licence.text,
            "weights": {
                "inside": self.weights_sha256 is not None,
                "source": self.origin.source,
                "revision": self.origin.revision,
                "sha256": self.weights_sha256,
                "converted_from": dict(self.origin.files),
            },
            "content_sha256": content_sha256,
        }

    def _weights(self) -> str:
        if self.weights_sha256 is None:
            return (
                f"Weights: none inside; they are searched for when the module is loaded: {self.origin.source}, "
                f"revision {self.origin.revision}."
            )
        return (
            f"Weights: source {self.origin.source}; revision {self.origin.revision}; {WEIGHTS_NAME} sha256 "
            f"{self.weights_sha256}."
        )


def origin_of(folder: Path) -> Origin:
    """Return the origin of a model folder: a download, a conversion, a module, a run."""
    folder = folder.resolve()
    if (folder / DOWNLOAD_RECORD_NAME).is_file():
        return _of_download(folder, read_json(folder / DOWNLOAD_RECORD_NAME))
    if (folder / CONVERSION_RECORD_NAME).is_file():
        source = _mapping(read_json(folder / CONVERSION_RECORD_NAME).get("source"))
        return Origin(source=f"converted from {source.get('format', 'another format')}", files=_sums(source))
    if (folder.parent / PROVENANCE_NAME).is_file():  # the assets of a module
        return _of_module(_mapping(read_json(folder.parent / PROVENANCE_NAME).get("weights")))
    for run in (folder.parent, folder.parent.parent):  # RUN/model, or RUN/seed-1/model
        if (run / RUN_NAME).is_file():
            return _of_run(read_json(run / RUN_NAME))
    return Origin(files={})


def _of_download(folder: Path, record: Mapping[str, Any]) -> Origin:
    source = str(record.get("repository") or record.get("from") or NOT_RECORDED)
    if "repository" not in record and not is_url(source):
        source = f"the file {Path(source).name}"  # a path on the builder's machine means nothing elsewhere
    if _mapping(record.get("stored_bytes")).get(WEIGHTS_NAME, -1) != (folder / WEIGHTS_NAME).stat().st_size:
        return Origin(source=f"{source}, changed after the download", files={})
    return Origin(source=source, revision=str(record.get("commit") or NOT_RECORDED), files=_sums(record))


def _of_module(weights: Mapping[str, Any]) -> Origin:
    return Origin(
        source=str(weights.get("source") or NOT_RECORDED),
        revision=str(weights.get("revision") or NOT_RECORDED),
        files={str(name): str(digest) for name, digest in _mapping(weights.get("converted_from")).items()},
    )


def _of_run(record: Mapping[str, Any]) -> Origin:
    model = record.get("model")
    if isinstance(model, Mapping):
        start = f"fine-tuned by paddle_wwm from {model.get('name')}, weights sha256 {model.get('sha256')}"
    elif record.get("init_sha256"):
        start = f"pretrained by paddle_wwm from weights of sha256 {record['init_sha256']}"
    else:
        start = "pretrained by paddle_wwm from random values"
    return Origin(source=start, files={})


def _sums(record: Mapping[str, Any]) -> dict[str, str]:
    files = record.get("files")
    found = [file for file in files if isinstance(file, Mapping)] if isinstance(files, list) else []
    return {str(file.get("name")): str(file.get("sha256")) for file in found}


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return the value, or {} if a changed record holds something else."""
    return value if isinstance(value, Mapping) else {}
