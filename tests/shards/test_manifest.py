"""The manifest of a shard set: its bytes, and errors when it is read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from paddle_wwm.errors import DataError
from paddle_wwm.shards.manifest import FORMAT_VERSION, MANIFEST_NAME, read_manifest, write_manifest

# written by a version whose records were dicts
EARLIER = """\
{
  "format_version": 2,
  "num_documents": 2,
  "num_sentences": 2,
  "num_words": 13,
  "num_tokens": 22,
  "num_unknown_tokens": 0,
  "vocab_size": 21128,
  "vocab_sha256": "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c",
  "segmenter": {
    "name": "lac",
    "model_sha256": "eb4196ae598d780ff0e785dd5177df084a5ecf9481631d0f95a1ae0a17ffaddf"
  },
  "tokenizer": {
    "implementation": "paddle_wwm.WordPieceTokenizer, as tokenizers.BertWordPieceTokenizer",
    "do_lower_case": true
  },
  "options": {
    "sentences": {
      "ends": "。！？",
      "english": false,
      "max_chars": 10000
    },
    "cleaning": {
      "rules": [
        "control_characters",
        "nfc",
        "long_lines",
        "short_documents",
        "duplicate_documents"
      ],
      "max_line_chars": 1000000,
      "min_document_chars": 2
    },
    "text_key": "text",
    "keep_text": true
  },
  "sources": [
    {
      "name": "corpus.txt.gz",
      "size": 109,
      "sha256": "f62f0f65717df0930b58d17c16aee6596865ccc1e47d01d42949525b1c413b15",
      "format": "text.gz"
    }
  ],
  "report": {
    "duplicate_documents": 1
  },
  "shards": [
    {
      "file": "shard-00000.wwm",
      "sha256": "0e6ac44a6f25d95a02cfe564bd013fbbb5fe44aa6bcc601e1f7ddcef7a767d30",
      "num_documents": 2,
      "num_sentences": 2,
      "num_tokens": 22
    }
  ],
  "texts": [
    {
      "file": "text-00000.jsonl.zst",
      "num_documents": 2,
      "sha256": "66768a54ed7f4b8083d7cbd0f993aa82e553032478cbf13bef752e85a2999d85"
    }
  ],
  "inputs_fingerprint": "a848054f176ca48576d68b9248caecf263b5b25ec71e8babf363141e7f07f1ed",
  "fingerprint": "737c433fd8abb387b3ad1da99185b2910f80986ef9f2da03ac078432754e36e2"
}
"""


def test_a_manifest_survives_writing_and_reading(prepared_sample):
    manifest = read_manifest(prepared_sample.directory)
    assert manifest == prepared_sample.manifest
    assert manifest.format_version == FORMAT_VERSION
    assert isinstance(manifest.shards, tuple) and isinstance(manifest.sources, tuple)


def test_the_error_for_a_missing_manifest_has_the_command_to_make_shards(tmp_path):
    with pytest.raises(
        DataError, match=r"holds no shards \(no manifest\.json\); make them with paddle-wwm prepare-corpus"
    ):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"format_version": 1,', "not valid JSON"),
        ("[]", "`format_version` must be 2, but is None"),
        ("{}", "`format_version` must be 2, but is None"),
        ('{"format_version": 1}', "`format_version` must be 2, but is 1"),
        ('{"format_version": 2}', "`the manifest` lacks num_documents, .*fingerprint"),
    ],
)
def test_the_error_for_a_damaged_manifest_names_file_and_remedy(tmp_path, text, message):
    (tmp_path / MANIFEST_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"manifest\.json: {message}.*; prepare the corpus again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(colour=1), "`the manifest` has unknown keys: colour"),
        (lambda values: values["sources"][0].pop("size"), r"`sources\[0\]` lacks size"),
        (lambda values: values["shards"][0].update(colour=1), r"`shards\[0\]` has unknown keys: colour"),
        (lambda values: values["options"]["cleaning"].pop("rules"), "`cleaning` lacks rules"),
        (lambda values: values["options"]["cleaning"].update(rules=["none"]), "cleaning rules must be among"),
        (lambda values: values.update(segmenter="lac"), "`segmenter` must be an object, but is 'lac'"),
        (lambda values: values.update(texts={}), "`texts` must be a list, but is {}"),
        (lambda values: values.update(num_tokens="12"), "`num_tokens` must be of type int, but is '12'"),
        (lambda values: values["tokenizer"].update(do_lower_case=1), "`do_lower_case` must be of type bool, but is 1"),
    ],
)
def test_the_error_for_a_wrong_key_or_value_names_file_and_key(prepared_sample, tmp_path, change, message):
    values = json.loads((prepared_sample.directory / MANIFEST_NAME).read_text(encoding="utf-8"))
    change(values)
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(DataError, match=rf"manifest\.json: {message}.*; prepare the corpus again"):
        read_manifest(tmp_path)


def test_a_manifest_has_the_same_bytes_as_in_earlier_versions(tmp_path):
    (tmp_path / MANIFEST_NAME).write_text(EARLIER, encoding="utf-8")
    manifest = read_manifest(tmp_path)
    assert (manifest.segmenter.name, manifest.options.sentences.ends) == ("lac", "。！？")
    assert (manifest.sources[0].format, manifest.texts[0].num_documents) == ("text.gz", 2)
    write_manifest(tmp_path, manifest)
    assert (tmp_path / MANIFEST_NAME).read_text(encoding="utf-8") == EARLIER


def test_a_manifest_keeps_how_the_text_was_read(tmp_path):
    (tmp_path / MANIFEST_NAME).write_text(EARLIER, encoding="utf-8")
    manifest = read_manifest(tmp_path)
    options = replace(manifest.options, text_keys=("title", "body"), document="line", encoding="big5", variant="zh-tw")
    write_manifest(tmp_path, replace(manifest, options=options))
    assert read_manifest(tmp_path).options == options
