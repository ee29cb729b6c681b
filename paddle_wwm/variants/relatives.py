"""Relatives of the series by the same authors, and a model whose output layer was trained later. All are Bert models.

Sources: the READMEs of ymcui/MacBERT, ymcui/LERT and ymcui/PERT, and the cards of the models.
"""

from __future__ import annotations

from ..model_config import SERIES_VOCAB_SIZE, ModelConfig
from .types import Recipe, Variant

_CORPUS = "Chinese Wikipedia, other encyclopedias, news, questions and answers (EXT)"
MLM_HEAD = "cls.predictions"
_SIZES = {"small": (12, 256), "base": (12, 768), "large": (24, 1024)}


def _relative(
    family: str,
    size: str,
    *,
    masking: str,
    heads: tuple[str, ...],
    aliases: tuple[str, ...] = (),
    archive: str | None = None,
    published_parameters: str | None = None,
) -> Variant:
    num_layers, hidden = _SIZES[size]
    name = f"chinese-{family.lower()}-{size}"
    return Variant(
        name=name,
        title=f"{family}-{size}",
        aliases=(f"hfl/{name}", *aliases),
        config=ModelConfig(
            vocab_size=SERIES_VOCAB_SIZE,
            hidden_size=hidden,
            num_hidden_layers=num_layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
        ),
        corpus=_CORPUS,
        num_tokens="5.4B",
        recipe=Recipe(masking=masking),
        source=f"hfl/{name}",
        archive=archive,
        published_parameters=published_parameters,
        trained_heads=heads,
    )


# The output layer of MacBERT corrects words and never saw [MASK]; that of PERT's files is random. Their authors advise
# against using either for masked words. LERT's files for PyTorch have the head for masked words.
_MACBERT = "similar words for whole words and n-grams"
_LERT = "WWM, with parts of speech, entities and dependencies"
_PERT = "permuted whole words and n-grams"

RELATIVES: tuple[Variant, ...] = (
    _relative(
        "MacBERT",
        "base",
        masking=_MACBERT,
        heads=(),
        aliases=("macbert-base-chinese",),
        published_parameters="102M",
    ),
    _relative(
        "MacBERT",
        "large",
        masking=_MACBERT,
        heads=(),
        aliases=("macbert-large-chinese",),
        published_parameters="324M",
    ),
    _relative("LERT", "small", masking=_LERT, heads=(MLM_HEAD,), published_parameters="15M"),
    _relative(
        "LERT",
        "base",
        masking=_LERT,
        heads=(MLM_HEAD,),
        archive="chinese_lert_base_L-12_H-768_A-12",
        published_parameters="102M",
    ),
    _relative("LERT", "large", masking=_LERT, heads=(MLM_HEAD,), published_parameters="325M"),
    _relative("PERT", "base", masking=_PERT, heads=(), archive="chinese_pert_base_L-12_H-768_A-12"),
    _relative("PERT", "large", masking=_PERT, heads=()),
    Variant(
        name="chinese-roberta-wwm-ext-large-fix-mlm",
        title="RoBERTa-wwm-ext-large, with a trained MLM head",
        aliases=("chinese_roberta_wwm_large_ext_fix_mlm",),
        config=ModelConfig(
            vocab_size=SERIES_VOCAB_SIZE,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
        ),
        corpus=_CORPUS,
        # the encoder is that of the parent, unchanged; only the head was trained
        recipe=Recipe(masking="WWM", init="chinese-roberta-wwm-ext-large", assumed=("masking",)),
        source="genggui001/chinese_roberta_wwm_large_ext_fix_mlm",
        trained_heads=(MLM_HEAD,),
    ),
)
