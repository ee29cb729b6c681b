"""Test that the compiled kernel gives the same tags as Paddle, for every text, batch and vector width."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus import lac_compiled, lac_segmenter
from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.corpus.lac import PaddleLac
from paddle_wwm.corpus.lac_compiled import CompiledLac, KernelUnusable, width_for_this_cpu
from paddle_wwm.corpus.lac_model import lac_model_directory, load_tables, load_weights
from paddle_wwm.corpus.lac_segmenter import CHECKED_WORDS, LacSegmenter
from paddle_wwm.errors import ConfigError

try:
    WIDEST = width_for_this_cpu()
except KernelUnusable as reason:
    pytest.skip(f"no compiled kernel here: {reason}", allow_module_level=True)
CHARS_OF_SHARED_CORPUS = 300_000
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=70)  # also lone surrogates
COMMON_TEXT = st.text(st.sampled_from("使用语言模型来预测下一个词的我们在中国北京大学学习，。 aB1９"), max_size=200)


@pytest.fixture(scope="module")
def tables():
    return load_tables(lac_model_directory())


@pytest.fixture(scope="module")
def tags_of(tables):
    """A function that returns the tags of texts. Engines: the kernel by its width, and "paddle"."""
    weights = load_weights(tables)
    engines = {width: CompiledLac(weights, width=width) for width in {8, WIDEST}} | {"paddle": PaddleLac(tables)}

    def run(engine, texts):
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        return (
            engines[engine]
            .tags(tables.id_of_code_point[code_points], np.array([len(text) for text in texts], np.int64))
            .tolist()
        )

    return run


WIDTHS = pytest.mark.parametrize("width", sorted({8, WIDEST}))


def one_by_one(run, engine, texts):
    return [tag for text in texts for tag in run(engine, [text])]


@WIDTHS
@pytest.mark.parity
def test_the_tags_of_the_sample_corpus_are_equal_to_those_of_paddle(tags_of, sample_corpus, width):
    texts = [text for document in read_documents(sample_corpus) for text in document.sentences]
    assert len(texts) > 300
    assert tags_of(width, texts) == tags_of("paddle", texts)


@pytest.mark.parity
@pytest.mark.data
def test_the_tags_of_lines_of_the_shared_corpus_are_equal_to_those_of_paddle(tags_of, shared_data):
    files = sorted((shared_data / "corpus").glob("*.txt"))
    texts = []
    for file in files:
        left = CHARS_OF_SHARED_CORPUS // len(files)
        with open(file, encoding="utf-8") as stream:
            for line in filter(None, map(str.strip, stream)):
                texts.append(line)
                left -= len(line)
                if left < 0:
                    break
    expected = tags_of("paddle", texts)
    assert len(expected) > CHARS_OF_SHARED_CORPUS * 0.9
    assert tags_of(WIDEST, texts) == expected


@WIDTHS
@pytest.mark.parity
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ANY_TEXT | COMMON_TEXT, max_size=20))
def test_random_texts_and_batches_have_the_tags_of_paddle(tags_of, width, texts):
    assert tags_of(width, texts) == tags_of("paddle", texts)


@WIDTHS
@pytest.mark.parametrize("num_texts", [1, 2, 3, 4, 5, 7, 8, 9, 16, 47, 48, 49, 100])
def test_the_tags_of_a_text_do_not_depend_on_its_batch(tags_of, width, num_texts):
    texts = [("".join(line.split("|")) * 3)[: 1 + 7 * number % 90] for number, line in enumerate(CHECKED_WORDS * 8)][
        :num_texts
    ]
    together = tags_of(width, texts)
    assert together == one_by_one(tags_of, width, texts)
    assert tags_of(width, texts[::-1]) == one_by_one(tags_of, width, texts[::-1])


def test_the_emissions_of_a_text_are_bit_identical_in_every_batch(tables):
    from paddle_wwm.corpus import lac_kernel

    weights = lac_kernel.pack_weights(load_weights(tables), width=WIDEST)
    lanes, rows = (0,) * WIDEST, (0,) * lac_kernel.rows_of_tile(WIDEST)

    def emissions_of(texts):
        """Return the bytes of the emissions of each text, computed in one batch."""
        lengths = np.array([len(text) for text in texts])
        offsets, batch = np.cumsum([0, *lengths]), np.argsort(-lengths, kind="stable")
        ids = tables.id_of_code_point[np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)]
        num_rows_of_step, first_places, num_places = lac_kernel.plan_batch(offsets, batch, len(rows))
        inputs, emissions = np.empty((num_places, 192), np.float32), np.zeros((num_places, 4), np.float32)
        batch_ids = np.empty(num_places, np.int32)
        lac_kernel.run_batch(
            lanes, rows, ids, offsets, batch, num_rows_of_step, first_places, batch_ids, *weights[:5], inputs, emissions
        )
        row_of = {text: row for row, text in enumerate(batch.tolist())}
        return [emissions[first_places[: lengths[text]] + row_of[text]].tobytes() for text in range(len(texts))]

    texts = ["".join(line.split("|")) for line in CHECKED_WORDS]
    alone = [emissions_of([text])[0] for text in texts]
    for number in range(2, len(texts) + 1):
        assert emissions_of(texts[:number]) == alone[:number]
        assert emissions_of(texts[-number:]) == alone[-number:]


def test_a_sentence_of_100_thousand_characters_needs_less_than_200_megabytes():
    code = (
        "import re; from pathlib import Path; from paddle_wwm.corpus.lac_segmenter import LacSegmenter\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024\n"
        "lac = LacSegmenter(engine='compiled'); before = peak()\n"
        "starts = lac.word_starts(['使用语言模型来预测下一个词。' * 7143])\n"
        "import sys; print(len(starts), peak() - before, before, 'paddle' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    length, more, before, with_paddle = result.stdout.split()
    assert (length, with_paddle) == ("100002", "False")
    assert int(more) < 200
    assert int(before) < 300  # 210 with a kernel from numba's cache, more if numba compiles it


def test_a_text_beyond_the_limit_is_segmented_in_parts(monkeypatch):
    lac = LacSegmenter()
    text = "使用语言模型来预测下一个词。"
    monkeypatch.setattr(lac_segmenter, "MAX_CHARS_OF_TEXT", len(text))
    expected = np.tile(lac.word_starts([text]), 3)[:-4]
    assert (
        lac.word_starts(["", (text * 3)[:-4], text])[: len(expected)].tolist()[: 2 * len(text)]
        == expected[: 2 * len(text)].tolist()
    )
    assert len(lac.word_starts(["", (text * 3)[:-4], text])) == 4 * len(text) - 4


def test_the_description_names_the_engine_and_the_checksum_does_not_depend_on_it(monkeypatch):
    monkeypatch.delenv("PADDLE_WWM_LAC_ENGINE", raising=False)
    compiled, paddle = LacSegmenter(), LacSegmenter(engine="paddle")
    assert (compiled.description, paddle.description) == (
        f"lac, compiled kernel, {WIDEST}-wide",
        "lac, Paddle inference",
    )
    assert compiled.model_sha256 == paddle.model_sha256


def test_the_environment_variable_selects_the_engine_and_an_option_overrides_it(monkeypatch):
    monkeypatch.setenv("PADDLE_WWM_LAC_ENGINE", "paddle")
    assert LacSegmenter().description == "lac, Paddle inference"
    assert "compiled" in LacSegmenter(engine="compiled").description
    monkeypatch.setenv("PADDLE_WWM_LAC_ENGINE", "fast")
    with pytest.raises(ConfigError, match="PADDLE_WWM_LAC_ENGINE must be one of auto, compiled, paddle, but is 'fast'"):
        LacSegmenter()


def test_a_kernel_that_gives_wrong_words_is_not_used(monkeypatch):
    true_tags = CompiledLac.tags

    def wrong_tags(self, ids, lengths):
        tags = true_tags(self, ids, lengths)
        tags[5] ^= 1
        return tags

    monkeypatch.setattr(CompiledLac, "tags", wrong_tags)
    lac = LacSegmenter(engine="auto")
    assert lac.description == "lac, Paddle inference (no compiled kernel: it gives wrong words on this machine)"
    assert lac.word_starts(["使用语言"]).tolist() == [True, False, True, False]
    with pytest.raises(ConfigError, match="asks for LAC's compiled kernel, which does not work here"):
        LacSegmenter(engine="compiled")


@pytest.mark.parametrize(
    ("environment", "description"),
    [
        (
            {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
            "lac, Paddle inference (no compiled kernel: this processor has neither",
        ),
        (
            {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+avx,+sse4.2"},
            "lac, compiled kernel, 8-wide",
        ),
        ({"NUMBA_DISABLE_JIT": "1"}, "lac, Paddle inference (no compiled kernel: "),
    ],
    ids=["generic", "avx2", "no compiler"],
)
def test_on_another_processor_the_words_are_the_same(environment, description, tmp_path):
    code = (
        "from paddle_wwm.corpus.segment import *; lac = make_segmenter(SegmenterConfig()); print(lac.description)\n"
        "print('|'.join(segment(lac, ['使用语言模型来预测下一个词的probability。'])[0].words))"
    )
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment}
    env.pop("PADDLE_WWM_LAC_ENGINE", None)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300, env=env
    )
    shown, words = result.stdout.splitlines()
    assert shown.startswith(description)
    assert words == CHECKED_WORDS[0]


def test_the_kernel_is_compiled_again_if_no_cache_can_be_written():
    """A read-only installation and a user without a home folder: there is not a folder for the cache."""
    from paddle_wwm.corpus import lac_kernel

    code = (
        "from paddle_wwm import compiled; compiled._cache_folders = lambda: iter(())\n"
        "from paddle_wwm.corpus import lac_kernel; kernel = lac_kernel.compiled_tag_texts(8)\n"
        "print(type(kernel._cache).__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout.strip() == "NullCache"
    named = lac_kernel.compiled_tag_texts(WIDEST)
    assert f"_{WIDEST}_wide-" in named._cache._impl.filename_base


def test_the_16_wide_kernel_is_not_chosen_without_all_avx_512_features():
    assert [width for width, needed in lac_compiled.WIDTHS if needed <= {"avx2", "fma", "avx512f"}] == [8]
