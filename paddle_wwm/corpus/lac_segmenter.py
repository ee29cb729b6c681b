"""LAC as a segmenter: ids of characters, an engine that computes tags, words from the tags, and the user's own words.

The engine is chosen when the segmenter is created. It is the compiled kernel if the processor has the vector
instructions for it and the kernel passes a check. Otherwise it is Paddle. Both give the same words, so no fingerprint
depends on the engine; `description` names it.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Protocol, Sequence

import numpy as np

from ..errors import ConfigError
from .dictionary_counts import PhraseCounts
from .lac import PaddleLac
from .lac_compiled import CompiledLac, KernelUnusable
from .lac_customization import read_lac_dictionary
from .lac_model import LacTables, lac_model_directory, load_tables, load_weights
from .user_dictionary import UserDictionary, apply_dictionary, dictionary_paths

ENGINES = ("auto", "compiled", "paddle")
ENGINE_VARIABLE = "PADDLE_WWM_LAC_ENGINE"  # if it is set, its value replaces "auto"
# Memory is about 800 bytes per character of the longest text. A longer text is cut into parts of this length, and
# each part is segmented as a separate text.
MAX_CHARS_OF_TEXT = 131_072
# The words that Paddle gives. The lengths differ, so the check covers full tiles, single rows and short sentences.
CHECKED_MODEL_SHA256 = "eb4196ae598d780ff0e785dd5177df084a5ecf9481631d0f95a1ae0a17ffaddf"
CHECKED_WORDS = (
    "使用|语言|模型|来|预测|下一个|词|的|probability|。",
    "我们|在|北京大学|学习|了|三年|，|毕业|以后|一起去|上海|工作|。",
    "今天|天气|很好|，|适合|到|公园|里|走一走|。",
    "他|把|研究|生命|起源|的|论文|交给|了|老师|。",
    "2019年|6月|，|这个|模型|的|参数|达到|了|3.3亿个|！",
    "南京市|长江大桥|是|一座|双层|桥梁|。",
    "她说|：|“|明天|上午|十点|开会|，|请|不要|迟到|。|”",
    "繁體|中文|的|文章|也|可以|這樣|分詞|。",
    "乒乓球|拍卖|完|了|，|要|等|下|个|星期|才|有货|。",
    "ＡＢＣ公司|的|股票|上涨|了|百分之五|。",
    "谢谢|大家",
    "好",
    "深度|学习|在|自然语言处理|中|的|应用|越来越|广泛|，|许多|传统|的|方法|已经|被|预|训练|语言|模型|所|取代|，|但是|计算|的|成本|也|随之|增加|了|很多|倍|。",
)


class LacEngine(Protocol):
    """The part that runs the network."""

    description: str

    def tags(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the tag of every character. int8, shape (num_characters,).

        Args:
            ids: int32, shape (num_characters,), the ids of all texts, concatenated.
            lengths: int64, shape (num_texts,).
        """
        ...


class LacSegmenter:
    """LAC's packaged segmentation model (Baidu, lac 2.1.2).

    Its words are exactly those of `LAC(mode="seg").run`.

    Args:
        custom_dictionary: A dictionary file in the format of `LAC.load_customization`, or several. For a phrase that
            is in several files, the last one counts.
        dictionary_separator: The argument `sep` of `LAC.load_customization`: what separates the words of a phrase.
            None: white space.
        engine: "compiled", "paddle" or "auto". "auto" takes the engine in the environment variable
            PADDLE_WWM_LAC_ENGINE. If the variable is not set, it takes the fastest engine that works on this machine.
    """

    name = "lac"

    def __init__(
        self,
        *,
        custom_dictionary: Path | Iterable[Path] | None = None,
        dictionary_separator: str | None = None,
        engine: str = "auto",
    ) -> None:
        paths = dictionary_paths(custom_dictionary)
        self._arguments: dict[str, Any] = {
            "custom_dictionary": paths,
            "dictionary_separator": dictionary_separator,
            "engine": engine,
        }
        self.dictionary: UserDictionary | None = None
        if paths:
            self.dictionary = read_lac_dictionary(paths, separator=dictionary_separator)
        self._tables = load_tables(lac_model_directory())
        self._engine, remark = make_engine(self._tables, engine=engine)
        self.model_sha256 = self._tables.sha256
        self.description = f"lac, {self._engine.description}{remark}"
        if self.dictionary is not None:
            # one file without a separator: as in earlier versions, so that their shards are reused
            parts = [self.model_sha256, *self.dictionary.sha256s]
            if dictionary_separator is not None:
                parts.append(f"separator {dictionary_separator!r}")
            self.model_sha256 = hashlib.sha256(" ".join(parts).encode()).hexdigest()
            num_phrases, unused = len(self.dictionary.entries), self.dictionary.num_without_effect
            names = ", ".join(self.dictionary.names)
            self.description += f", {num_phrases} phrases ({unused} lines without effect) of {names}"

    def __reduce__(self) -> tuple[Callable[[], LacSegmenter], tuple[()]]:
        # compiled code and predictors cannot be pickled, so another process creates its own
        return partial(LacSegmenter, **self._arguments), ()

    def word_starts(self, texts: Sequence[str], *, counts: PhraseCounts | None = None) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `DictionarySegmenter`."""
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        tags = self._engine.tags(self._tables.id_of_code_point[code_points], _in_parts(lengths))
        starts = self._tables.tag_starts_word[tags]
        firsts = np.cumsum(lengths) - lengths
        starts[firsts[lengths > 0]] = True
        if self.dictionary is not None:
            found = list(self.dictionary.index.occurrences(texts))
            apply_dictionary(self.dictionary, found, starts)
            if counts is not None:
                counts.add(self.dictionary, found, starts)
        return starts


def make_engine(tables: LacTables, *, engine: str) -> tuple[LacEngine, str]:
    """Return the engine, and a remark if the compiled kernel cannot be used.

    Raises:
        ConfigError: The engine is unknown, or the compiled kernel was requested and does not work.
        DataError: A file of the model is damaged.
    """
    if engine not in ENGINES:
        raise ConfigError(f"`engine` must be one of {', '.join(ENGINES)}, but is {engine!r}.")
    asked_by = "`engine`"
    if engine == "auto" and os.environ.get(ENGINE_VARIABLE):
        asked_by, engine = ENGINE_VARIABLE, os.environ[ENGINE_VARIABLE]
        if engine not in ENGINES:
            raise ConfigError(f"{ENGINE_VARIABLE} must be one of {', '.join(ENGINES)}, but is {engine!r}.")
    if engine == "paddle":
        return PaddleLac(tables), ""
    weights = load_weights(tables)  # damaged files are an error for both engines
    try:
        compiled = CompiledLac(weights)
        _check_words(compiled, tables)
    except Exception as error:  # numba and LLVM raise many kinds; Paddle works in all cases
        reason = str(error) if isinstance(error, KernelUnusable) else f"{type(error).__name__}: {error}".split("\n")[0]
        if engine == "compiled":
            raise ConfigError(
                f'{asked_by} asks for LAC\'s compiled kernel, which does not work here ({reason}); use "auto".'
            ) from error
        return PaddleLac(tables), f" (no compiled kernel: {reason})"
    return compiled, ""


def _check_words(compiled: LacEngine, tables: LacTables) -> None:
    words = [line.split("|") for line in CHECKED_WORDS]
    code_points = np.frombuffer("".join(map("".join, words)).encode("utf-32-le"), np.uint32)
    ids, lengths = tables.id_of_code_point[code_points], np.array([sum(map(len, text)) for text in words])
    found = tables.tag_starts_word[compiled.tags(ids, lengths)]
    if tables.sha256 == CHECKED_MODEL_SHA256:
        expected = np.zeros(len(ids), bool)
        word_lengths = np.array([len(word) for text in words for word in text])
        expected[np.cumsum(word_lengths) - word_lengths] = True
    else:
        expected = tables.tag_starts_word[PaddleLac(tables).tags(ids, lengths)]
    if not np.array_equal(found, expected):
        raise KernelUnusable("it gives wrong words on this machine")


def _in_parts(lengths: np.ndarray) -> np.ndarray:
    """Return the lengths of texts, with very long ones cut into parts. int64 (parts,)."""
    if not len(lengths) or lengths.max() <= MAX_CHARS_OF_TEXT:
        return lengths
    parts = [
        [MAX_CHARS_OF_TEXT] * (length // MAX_CHARS_OF_TEXT) + [length % MAX_CHARS_OF_TEXT]
        for length in lengths.tolist()
    ]
    return np.array([part for text in parts for part in text], np.int64)
