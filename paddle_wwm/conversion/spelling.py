"""Bring the names in a file into the form of the table: without wrappers, and in the current spelling.

One rule takes off what trainers and the user's own classes put in front of the names of a BERT. The names of the
encoder's attention show where the BERT begins: `module.model.bert.encoder.layer.0.attention…` is `bert.…` under
`module.model.`, and `bert_model.encoder.layer.0.attention…` is a bare BertModel under `bert_model.`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping

from ..errors import CheckpointError
from .extras import skip_reason
from .names import Naming, naming_of

# Classes that wrap a layer at any depth, and add a part to the names: torch's DataParallel and DistributedDataParallel,
# torch.compile, FSDP and its checkpointing, Paddle's DataParallel.
_WRAPPERS = re.compile(
    r"(?:(?<=^)|(?<=\.))(?:(?:module|_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module|_layers)\.)+"
)
_ENCODER: dict[Naming, re.Pattern[str]] = {
    Naming.PADDLE: re.compile(r"((?:[^.]+\.)*?)(bert\.)?encoder\.layers\.\d+\.self_attn\."),
    Naming.HUGGING_FACE: re.compile(r"((?:[^.]+\.)*?)(bert\.)?encoder\.layer\.\d+\.attention\."),
    Naming.TENSORFLOW: re.compile(r"((?:[^/]+/)*?)(bert/)?encoder/layer_\d+/attention/"),
}
_BARE = re.compile(r"(embeddings|encoder|pooler)(?=[./])")
_AVERAGES = re.compile(r"(^|[._/])(ema|swa|shadow)([._/]|$)", re.IGNORECASE)
_SYNONYMS: dict[Naming, tuple[tuple[str, str], ...]] = {
    Naming.PADDLE: (
        # the Roberta class, with which PaddleNLP published the RoBERTa models of the series
        (r"^lm_head\.dense\.", "cls.predictions.transform."),
        (r"^lm_head\.layer_norm\.", "cls.predictions.layer_norm."),
        (r"^lm_head\.decoder\.", "cls.predictions.decoder."),
        (r"^lm_head\.bias$", "cls.predictions.lm_head_bias"),
    ),
    Naming.HUGGING_FACE: (
        (r"\.gamma$", ".weight"),  # files from before pytorch-transformers (2019)
        (r"\.beta$", ".bias"),
    ),
    Naming.TENSORFLOW: (),
}


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """The names of a file in the form of the table.

    Args:
        names: name in the file -> standard name.
        skipped: name in the file -> the reason to skip it.
        taken_off: the parts that were removed from names, such as "module.module.".
        family: the name of a bare model's attribute or class, such as "roberta"; "bert" if the names have it.
    """

    naming: Naming
    names: Mapping[str, str]
    skipped: Mapping[str, str]
    taken_off: tuple[str, ...]
    family: str


def spelling_of(names: Iterable[str], *, source: Path) -> Spelling | None:
    """Return the names in the form of the table; None if it is not a BERT.

    Args:
        source: the file, for messages.

    Raises:
        CheckpointError: the file holds several BERTs.
    """
    taken_off: dict[str, None] = {}
    cleaned = {name: _WRAPPERS.sub(lambda match: taken_off.setdefault(match[0]) or "", name) for name in names}
    naming = naming_of(cleaned.values())
    if naming is None:
        return None
    skipped = {name: reason for name, text in cleaned.items() if (reason := skip_reason(text, naming))}
    kept = {name: text for name, text in cleaned.items() if name not in skipped}
    (prefix, bert), averages = _place_of_the_bert(kept.values(), naming, source=source)
    standard: dict[str, str] = {}
    for name, text in kept.items():
        inner = _standard_name(text, naming, prefix=prefix, is_bare=not bert)
        if averages and text.startswith(averages):
            skipped[name] = "moving averages of weights"
        elif reason := skip_reason(inner, naming):
            skipped[name] = reason
        else:
            standard[name] = inner
    return Spelling(
        naming=naming,
        names=standard,
        skipped=skipped,
        taken_off=(*taken_off, *((prefix,) if prefix else ())),
        family="bert" if bert or not prefix else re.split(r"[./]", prefix)[-2],
    )


def _place_of_the_bert(
    names: Iterable[str], naming: Naming, *, source: Path
) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Return where the BERT is, and the prefixes of averaged copies.

    The place is what stands in front of the BERT, and "bert.", or "" for a bare one.
    """
    found = {(match[1], match[2] or "") for name in names if (match := _ENCODER[naming].match(name)) is not None}
    averages = {place for place in found if _AVERAGES.search(place[0])} if len(found) > 1 else set()
    places = sorted(found - averages or found)
    if len(places) > 1:
        listed = " and ".join(repr("".join(place)) if any(place) else "no prefix" for place in places)
        raise CheckpointError(
            f"{source}: holds {len(places)} encoders, under {listed}; save the tensors of one of them to a file, and "
            f"convert that."
        )
    return (places or [("", "")])[0], tuple(prefix for prefix, _ in averages)


def _standard_name(name: str, naming: Naming, *, prefix: str, is_bare: bool) -> str:
    inner = name.removeprefix(prefix)
    if is_bare and name.startswith(prefix) and (match := _BARE.match(inner)):
        inner = f"bert{inner[match.end()]}{inner}"
    for pattern, replacement in _SYNONYMS[naming]:
        inner = re.sub(pattern, replacement, inner)
    return inner


def with_pooler_of_roberta_class(spelling: Spelling) -> Spelling:
    """Return the names with a pooler and a classifier.

    The head of PaddleNLP's RobertaForSequenceClassification has two layers with a tanh
    between them, and reads the state of [CLS]. The first one is a BERT's pooler.
    """
    names = {
        name: re.sub(
            r"^classifier\.(dense|out_proj)\.",
            lambda match: "bert.pooler.dense." if match[1] == "dense" else "classifier.",
            standard,
        )
        for name, standard in spelling.names.items()
    }
    return dataclasses.replace(spelling, names=names)


_IN_ADAPTER = re.compile(
    r"(?:base_model\.model\.)?(?:[^.]+\.)*?(?:bert\.)?((?:encoder\.layer\.\d+|embeddings|pooler)\..+)"
)


def standard_name_in_adapter(name: str) -> str:
    """Return the Hugging Face name of what an adapter of peft changes."""
    name = re.sub(r"\.(modules_to_save(\.default)?|base_layer)(?=\.)", "", _WRAPPERS.sub("", name))
    if match := _IN_ADAPTER.fullmatch(name):
        return f"bert.{match[1]}"
    name = name.removeprefix("base_model.model.")
    return name[name.index("cls.") :] if re.search(r"(^|\.)cls\.(predictions|seq_relationship)\.", name) else name
