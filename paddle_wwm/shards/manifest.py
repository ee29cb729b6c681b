"""The manifest of a shard set (manifest.json): what the set holds and what it was made of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from ..corpus.cleaning import CleaningConfig
from ..corpus.reading.options import DocumentUnit
from ..corpus.sentences import SentenceRule
from ..errors import DataError
from ..files import write_json
from ..text_encodings import UTF_8
from ..tokenization.wordpiece import TokenizerOptions

FORMAT_VERSION = 2
MANIFEST_NAME = "manifest.json"
REMEDY = "prepare the corpus again"


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """A source file. `format` ends with the compression, for example "text.gz"."""

    name: str
    size: int
    sha256: str
    format: str


@dataclass(frozen=True, kw_only=True)
class SegmenterRecord:
    """The segmenter, and the sha256 of everything that its words depend on."""

    name: str
    model_sha256: str


@dataclass(frozen=True, kw_only=True)
class ContentOptions:
    """The options that the content of the shards depends on."""

    sentences: SentenceRule
    cleaning: CleaningConfig
    keep_text: bool
    text_keys: tuple[str, ...] = ("text",)
    document: str = DocumentUnit.BLANK_LINE.value
    encoding: str = UTF_8
    variant: str = "zh-cn"


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """A shard file."""

    file: str
    sha256: str
    num_documents: int
    num_sentences: int
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class TextRecord:
    """A file of kept text."""

    file: str
    num_documents: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ShardManifest:
    """Counts of a shard set, how it was made, and the fingerprint of its content.

    Attributes:
        report: Number of skipped, split or changed items by rule. report.json has samples.
        inputs_fingerprint: Fingerprint of sources, vocabulary, segmenter, tokenizer, options and format. If it is
            unchanged, the shards are reused.
        fingerprint: Fingerprint of the content (`content_fingerprint`). A training run can only be resumed with the
            same fingerprint.
    """

    format_version: int
    num_documents: int
    num_sentences: int
    num_words: int
    num_tokens: int
    num_unknown_tokens: int
    vocab_size: int
    vocab_sha256: str
    segmenter: SegmenterRecord
    tokenizer: TokenizerOptions
    options: ContentOptions
    sources: tuple[SourceRecord, ...]
    report: dict[str, int]
    shards: tuple[ShardRecord, ...]
    texts: tuple[TextRecord, ...]
    inputs_fingerprint: str
    fingerprint: str

    @property
    def files(self) -> tuple[ShardRecord | TextRecord, ...]:
        """The files that have a checksum."""
        return (*self.shards, *self.texts)


def content_fingerprint(*, vocab_sha256: str, shards: Sequence[ShardRecord]) -> str:
    """Return the fingerprint of the content of a shard set."""
    return hashlib.sha256(json.dumps([vocab_sha256, [shard.sha256 for shard in shards]]).encode()).hexdigest()


def write_manifest(directory: str | Path, manifest: ShardManifest) -> None:
    """Write manifest.json."""
    values = dataclasses.asdict(manifest)
    values["options"] = _without_defaults(values["options"])
    write_json(Path(directory) / MANIFEST_NAME, values)


# Keys that earlier versions lacked. They are written only if they differ, so that manifests keep their bytes.
_LATER_OPTIONS = ("document", "encoding", "variant")


def _without_defaults(options: dict[str, Any]) -> dict[str, Any]:
    keys = options["text_keys"]
    return {
        **{name: options[name] for name in ("sentences", "cleaning")},
        **({"text_key": keys[0]} if len(keys) == 1 else {"text_keys": keys}),
        "keep_text": options["keep_text"],
        **{name: options[name] for name in _LATER_OPTIONS if options[name] != getattr(ContentOptions, name)},
    }


def _with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    values = {**{name: getattr(ContentOptions, name) for name in _LATER_OPTIONS}, **options}
    if "text_key" in values:
        values["text_keys"] = [values.pop("text_key")]
    return values


def read_manifest(directory: str | Path) -> ShardManifest:
    """Read the manifest of a shard set.

    Raises:
        DataError: The folder holds no manifest, or the manifest is damaged or has another format version.
    """
    path = Path(directory) / MANIFEST_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{directory}: holds no shards (no {MANIFEST_NAME}); make them with paddle-wwm prepare-corpus."
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); {REMEDY}.") from None
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise DataError(f"{path}: `format_version` must be {FORMAT_VERSION}, but is {version}; {REMEDY}.")
    options = values.get("options")
    if isinstance(options, dict):
        values["options"] = _with_defaults(options)
    try:
        return _from_plain(ShardManifest, values, key="the manifest")
    except ValueError as error:
        raise DataError(f"{path}: {error}; {REMEDY}.") from None


def _from_plain(kind: Any, value: Any, *, key: str) -> Any:
    """Convert plain JSON to a value of type `kind`.

    Raises:
        ValueError: The message names the key and the rule.
    """
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if not isinstance(value, dict):
            raise ValueError(f"`{key}` must be an object, but is {value!r}")
        if missing := [name for name in hints if name not in value]:
            raise ValueError(f"`{key}` lacks {', '.join(missing)}")
        if unknown := [name for name in value if name not in hints]:
            raise ValueError(f"`{key}` has unknown keys: {', '.join(unknown)}")
        return kind(**{name: _from_plain(hint, value[name], key=name) for name, hint in hints.items()})
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"`{key}` must be a list, but is {value!r}")
        return tuple(_from_plain(typing.get_args(kind)[0], item, key=f"{key}[{n}]") for n, item in enumerate(value))
    expected = typing.get_origin(kind) or kind
    if type(value) is not expected:
        raise ValueError(f"`{key}` must be of type {expected.__name__}, but is {value!r}")
    return value
