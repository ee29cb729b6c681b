"""The table of models, in the order of the authors' tables.

Google's Chinese BERT comes first, then the series, its small models, other models of Google, and relatives of the
series (`relatives.py`).
"""

from __future__ import annotations

from dataclasses import replace

from ..model_config import SERIES_VOCAB_SIZE, ModelConfig
from .relatives import RELATIVES
from .types import RANDOM_INIT, Recipe, RecipePhase, Variant


def _sizes(num_hidden_layers: int, hidden_size: int = 768, *, vocab_size: int = SERIES_VOCAB_SIZE) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=hidden_size // 64,
        intermediate_size=4 * hidden_size,
    )


_WIKI, _EXT = "Chinese Wikipedia", "Chinese Wikipedia, other encyclopedias, news, questions and answers (EXT)"
_MILLION = 1_000_000
_GOOGLE = Recipe(masking="WordPiece", next_sentence=True, init=RANDOM_INIT, optimizer="AdamW")
_GOOGLE_WWM = Recipe(masking="WWM", next_sentence=True, init=RANDOM_INIT)
_LAMB = Recipe(
    masking="WWM",
    next_sentence=True,
    init="bert-base-chinese",
    optimizer="LAMB",
    learning_rate=1e-4,
    warmup="10%",
)


def _first_layers(parent: str, num_layers: int, *, assumed: tuple[str, ...] = ()) -> Recipe:
    # of the further training, the README states only the 1M steps; the other values are those of the parent model
    return Recipe(
        masking="WWM",
        next_sentence=False,
        init=parent,
        init_layers=tuple(range(num_layers)),
        phases=(RecipePhase(max_seq_length=512, num_steps=_MILLION),),
        optimizer="AdamW",
        assumed=("masking", "next_sentence", "optimizer", *assumed),
    )


VARIANTS: tuple[Variant, ...] = (
    Variant(
        name="bert-base-chinese",
        title="BERT-base, Chinese",
        aliases=("google-bert/bert-base-chinese", "chinese_L-12_H-768_A-12"),
        config=_sizes(12),
        corpus=_WIKI,
        num_tokens="0.4B",
        recipe=_GOOGLE,
        source="google-bert/bert-base-chinese",
        archive="chinese_L-12_H-768_A-12",
    ),
    Variant(
        name="chinese-bert-wwm",
        title="BERT-wwm",
        aliases=("bert-wwm-chinese", "hfl/chinese-bert-wwm", "chinese_wwm_L-12_H-768_A-12"),
        config=_sizes(12),
        corpus=_WIKI,
        num_tokens="0.4B",
        recipe=replace(
            _LAMB,
            phases=(
                RecipePhase(max_seq_length=128, num_steps=100_000, global_batch_size=2560),
                RecipePhase(max_seq_length=512, num_steps=100_000, global_batch_size=384),
            ),
        ),
        source="hfl/chinese-bert-wwm",
        archive="chinese_wwm_L-12_H-768_A-12",
    ),
    Variant(
        name="chinese-bert-wwm-ext",
        title="BERT-wwm-ext",
        aliases=("bert-wwm-ext-chinese", "hfl/chinese-bert-wwm-ext", "chinese_wwm_ext_L-12_H-768_A-12"),
        config=_sizes(12),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=replace(
            _LAMB,
            phases=(
                RecipePhase(max_seq_length=128, num_steps=_MILLION, global_batch_size=2560),
                RecipePhase(max_seq_length=512, num_steps=400_000, global_batch_size=384),
            ),
            assumed=("learning_rate", "warmup"),
        ),
        source="hfl/chinese-bert-wwm-ext",
        archive="chinese_wwm_ext_L-12_H-768_A-12",
    ),
    Variant(
        name="chinese-roberta-wwm-ext",
        title="RoBERTa-wwm-ext",
        aliases=(
            "roberta-wwm-ext-chinese",
            "hfl/roberta-wwm-ext",
            "hfl/chinese-roberta-wwm-ext",
            "chinese_roberta_wwm_ext_L-12_H-768_A-12",
        ),
        config=_sizes(12),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=Recipe(
            masking="WWM",
            next_sentence=False,
            init="bert-base-chinese",
            phases=(RecipePhase(max_seq_length=512, num_steps=_MILLION, global_batch_size=384),),
            optimizer="AdamW",
            learning_rate=1e-4,
            warmup="10,000 steps",
        ),
        source="hfl/chinese-roberta-wwm-ext",
        archive="chinese_roberta_wwm_ext_L-12_H-768_A-12",
        published_parameters="102M",
    ),
    Variant(
        name="chinese-roberta-wwm-ext-large",
        title="RoBERTa-wwm-ext-large",
        aliases=(
            "roberta-wwm-ext-large-chinese",
            "hfl/roberta-wwm-ext-large",
            "hfl/chinese-roberta-wwm-ext-large",
            "chinese_roberta_wwm_large_ext_L-24_H-1024_A-16",
        ),
        config=_sizes(24, 1024),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=Recipe(
            masking="WWM",
            next_sentence=False,
            init=RANDOM_INIT,
            phases=(RecipePhase(max_seq_length=512, num_steps=2 * _MILLION, global_batch_size=512),),
            optimizer="AdamW",
            learning_rate=5e-5,
        ),
        source="hfl/chinese-roberta-wwm-ext-large",
        archive="chinese_roberta_wwm_large_ext_L-24_H-1024_A-16",
        published_parameters="325M",
    ),
    Variant(
        name="rbt3",
        title="RBT3",
        aliases=("rbt3-chinese", "hfl/rbt3", "chinese_rbt3_L-3_H-768_A-12"),
        config=_sizes(3),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=_first_layers("chinese-roberta-wwm-ext", 3),
        source="hfl/rbt3",
        archive="chinese_rbt3_L-3_H-768_A-12",
        published_parameters="38M",
    ),
    Variant(
        name="rbt4",
        title="RBT4",
        aliases=("rbt4-chinese", "hfl/rbt4", "chinese_rbt4_L-4_H-768_A-12"),
        config=_sizes(4),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=_first_layers("chinese-roberta-wwm-ext", 4, assumed=("init", "init_layers", "phases")),
        source="hfl/rbt4",
        archive="chinese_rbt4_L-4_H-768_A-12",
    ),
    Variant(
        name="rbt6",
        title="RBT6",
        aliases=("rbt6-chinese", "hfl/rbt6", "chinese_rbt6_L-6_H-768_A-12"),
        config=_sizes(6),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=_first_layers("chinese-roberta-wwm-ext", 6, assumed=("init", "init_layers", "phases")),
        source="hfl/rbt6",
        archive="chinese_rbt6_L-6_H-768_A-12",
    ),
    Variant(
        name="rbtl3",
        title="RBTL3",
        aliases=("rbtl3-chinese", "hfl/rbtl3", "chinese_rbtl3_L-3_H-1024_A-16"),
        config=_sizes(3, 1024),
        corpus=_EXT,
        num_tokens="5.4B",
        recipe=_first_layers("chinese-roberta-wwm-ext-large", 3),
        source="hfl/rbtl3",
        archive="chinese_rbtl3_L-3_H-1024_A-16",
        published_parameters="61M",
    ),
    Variant(
        name="bert-base-multilingual-cased",
        title="BERT-base, Multilingual Cased",
        aliases=("google-bert/bert-base-multilingual-cased", "multi_cased_L-12_H-768_A-12"),
        config=_sizes(12, vocab_size=119547),
        do_lower_case=False,
        language="multilingual",
        corpus="Wikipedia in 104 languages",
        recipe=_GOOGLE,
        source="google-bert/bert-base-multilingual-cased",
        archive="multi_cased_L-12_H-768_A-12",
    ),
    Variant(
        name="bert-base-multilingual-uncased",
        title="BERT-base, Multilingual Uncased",
        aliases=("google-bert/bert-base-multilingual-uncased", "multilingual_L-12_H-768_A-12"),
        config=_sizes(12, vocab_size=105879),
        language="multilingual",
        corpus="Wikipedia in 102 languages",
        recipe=_GOOGLE,
        source="google-bert/bert-base-multilingual-uncased",
        archive="multilingual_L-12_H-768_A-12",
    ),
    Variant(
        name="bert-large-cased-whole-word-masking",
        title="BERT-large, Cased (Whole Word Masking)",
        aliases=("google-bert/bert-large-cased-whole-word-masking", "wwm_cased_L-24_H-1024_A-16"),
        config=_sizes(24, 1024, vocab_size=28996),
        do_lower_case=False,
        language="English",
        corpus="English Wikipedia, BookCorpus",
        recipe=_GOOGLE_WWM,
        source="google-bert/bert-large-cased-whole-word-masking",
        archive="wwm_cased_L-24_H-1024_A-16",
    ),
    Variant(
        name="bert-large-uncased-whole-word-masking",
        title="BERT-large, Uncased (Whole Word Masking)",
        aliases=("google-bert/bert-large-uncased-whole-word-masking", "wwm_uncased_L-24_H-1024_A-16"),
        config=_sizes(24, 1024, vocab_size=30522),
        language="English",
        corpus="English Wikipedia, BookCorpus",
        recipe=_GOOGLE_WWM,
        source="google-bert/bert-large-uncased-whole-word-masking",
        archive="wwm_uncased_L-24_H-1024_A-16",
    ),
    *RELATIVES,
)
