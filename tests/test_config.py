"""Recipes: errors name file, line, rule and remedy; overrides and fingerprints."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from paddle_wwm.config import (
    OptimizerConfig,
    PhaseConfig,
    PretrainRecipe,
    SentencePairing,
    numbers_fingerprint,
    to_plain,
)
from paddle_wwm.errors import ConfigError
from paddle_wwm.masking_config import MaskingConfig, MaskingStrategy
from paddle_wwm.model_config import ModelConfig, count_parameters
from paddle_wwm.recipe_file import find_recipe, list_recipes, load_config

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = sorted((ROOT / "paddle_wwm" / "recipes").glob("*.yaml"))
RECIPES = [*PACKAGED, *sorted((ROOT / "scripts" / "recipes").glob("*.yaml"))]
RECIPE = """\
model:
  hidden_size: 64
  num_attention_heads: 2
masking:
  strategy: whole-word
phases:
  - max_seq_length: 128
    global_batch_size: 32
    num_steps: 100
    learning_rate: 1e-4
  - {max_seq_length: 512, global_batch_size: 8, num_steps: 1_000, learning_rate: 5.0e-5, num_warmup_steps: 10}
runtime:
  micro_batch_size: 4
seed: 7
"""


@pytest.fixture
def load(tmp_path):
    """A function that loads RECIPE with replaced texts and overrides."""

    def call(*overrides, replaced=(), text=RECIPE):
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, overrides=overrides)

    return call


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_packaged_recipe_loads(path):
    config = load_config(path)
    assert config.num_steps == sum(phase.num_steps for phase in config.phases)
    assert all(phase.num_steps > 0 or phase.num_epochs > 0 for phase in config.phases)


def test_the_expected_recipes_are_packaged():
    series = {"bert-wwm", "bert-wwm-ext", "roberta-wwm-ext", "roberta-wwm-ext-large", "rbt3", "rbt4", "rbt6", "rbtl3"}
    assert {path.stem for path in RECIPES} == series | {"quickstart", "small", "mini", "domain"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_header_has_the_command_and_the_expected_result(path):
    opening = re.split(r"\n(?=\w+:)", path.read_text(encoding="utf-8"))[0].splitlines()
    assert all(line.startswith("#") for line in opening) and any(
        "paddle-wwm pretrain" in line or "scripts/pretrain.py" in line for line in opening
    )
    assert any("Expect" in line for line in opening) and any(
        "CPU cores" in line or "Estimate, not measured" in line for line in opening
    )


# The published model comparison: layers, hidden size, (length, batch, steps) of every phase, optimizer, sentence pairs
TABLE = {
    "bert-wwm": (12, 768, [(128, 2560, 100_000), (512, 384, 100_000)], "lamb-hfl", True),
    "bert-wwm-ext": (12, 768, [(128, 2560, 1_000_000), (512, 384, 400_000)], "lamb-hfl", True),
    "roberta-wwm-ext": (12, 768, [(512, 384, 1_000_000)], "adamw", False),
    "roberta-wwm-ext-large": (24, 1024, [(512, 512, 2_000_000)], "adamw", False),
    "rbt3": (3, 768, [(512, 384, 1_000_000)], "adamw", False),
    "rbt4": (4, 768, [(512, 384, 1_000_000)], "adamw", False),
    "rbt6": (6, 768, [(512, 384, 1_000_000)], "adamw", False),
    "rbtl3": (3, 1024, [(512, 384, 1_000_000)], "adamw", False),
}


@pytest.mark.parametrize("name", TABLE)
def test_recipes_of_the_series_match_the_published_table(name):
    config = load_config(RECIPES[0].parent / f"{name}.yaml")
    phases = [(phase.max_seq_length, phase.global_batch_size, phase.num_steps) for phase in config.phases]
    pairs = config.data.pairing is SentencePairing.NEXT_SENTENCE
    assert (
        config.model.num_hidden_layers,
        config.model.hidden_size,
        phases,
        config.optimizer.name.value,
        pairs,
    ) == TABLE[name]
    assert not config.masking.dynamic and config.masking.strategy is MaskingStrategy.WHOLE_WORD
    optimizer = config.optimizer
    assert (optimizer.weight_decay, optimizer.clip_norm, optimizer.epsilon, optimizer.beta2) == (0.01, 1.0, 1e-6, 0.999)


def test_a_recipe_is_parsed_to_typed_values_and_defaults(load):
    config = load()
    assert config.model == ModelConfig(hidden_size=64, num_attention_heads=2)
    assert config.optimizer == OptimizerConfig()
    assert (config.masking.strategy, config.data.pairing, config.seed) == (
        MaskingStrategy.WHOLE_WORD,
        SentencePairing.NEXT_SENTENCE,
        7,
    )
    assert config.phases[1] == PhaseConfig(
        max_seq_length=512, global_batch_size=8, num_steps=1000, learning_rate=5e-5, num_warmup_steps=10
    )
    assert config.num_steps == 1100


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", ".0001", "'1e-4'"])
def test_common_notations_of_a_number_are_accepted(load, text):
    assert load(replaced=[("learning_rate: 1e-4", f"learning_rate: {text}")]).phases[0].learning_rate == 1e-4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "hidden_size",
            "hiden_size",
            r"recipe\.yaml, line 2: unknown key `model\.hiden_size`; did you mean `hidden_size`\? known keys: vocab",
        ),
        (
            "seed: 7",
            "optimizer: {name: lamb}",
            r"`optimizer\.name` must be adamw or lamb-hfl or lamb-paddle, but is 'lamb'",
        ),
        ("seed: 7", "optimizer: {beta1: 1}", r"`beta1` must be in \[0, 1\), but is 1\.0"),
        ("seed: 7", "amp: {level: O3}", r"`amp\.level` must be O0 or O1 or O2, but is 'O3'"),
        (
            "num_steps: 100\n",
            "steps_num: 100\n",
            r"line 9: unknown key `phases\.0\.steps_num`; .*known keys: max_seq_length, ",
        ),
        ("seed: 7", "sead: 7", r"line 14: unknown key `sead`; did you mean `seed`\?"),
        ("seed: 7", "zzz: 7", r"line 14: unknown key `zzz`; known keys: phases, model, "),
        ("seed: 7", "{a: 1}: 7", r"line 14: unknown key `\(not a name\)`; known keys"),
        ("seed: 7", "seed: 7\nseed: 8", r"line 15: `seed` is given twice"),
        ("hidden_size: 64", "hidden_size: 6.5", r"line 2: `model\.hidden_size` must be a whole number, but is '6\.5'"),
        ("hidden_size: 64", "hidden_size: [64]", r"line 2: `model\.hidden_size` must be a single value"),
        (
            "learning_rate: 1e-4",
            "learning_rate: fast",
            r"line 10: `phases\.0\.learning_rate` must be a number, but is 'fast'",
        ),
        (
            "strategy: whole-word",
            "strategy: word",
            r"line 5: `masking\.strategy` must be piece or whole-word or ngram-word, but is 'word'",
        ),
        ("strategy: whole-word", "dynamic: maybe", r"line 5: `masking\.dynamic` must be true or false, but is 'maybe'"),
        ("  strategy: whole-word", "  - strategy", r"line 5: `masking` must be a mapping of keys to values"),
        ("micro_batch_size: 4", "micro_batch_size: 0", r"line 13: `micro_batch_size` must be at least 1, but is 0"),
        (
            "num_attention_heads: 2",
            "num_attention_heads: 3",
            "line 2: `hidden_size` must be a multiple of `num_attention_heads`, but is 64 for 3",
        ),
        (
            "512,",
            "1024,",
            r"line 1: `max_seq_length` must be at most `model\.max_position_embeddings` \(512\), but is 1024",
        ),
        ("    num_steps: 100\n", "", r"line 7: `num_steps` must be at least 1, or `num_epochs` above 0"),
        (
            "num_warmup_steps: 10",
            "num_warmup_steps: 1001",
            r"line 11: `num_warmup_steps` must be between 0 and `num_steps` \(1000\), but is 1001",
        ),
        ("seed: 7", "seed: [7", r"recipe\.yaml: not valid YAML: .*line 15"),
    ],
)
def test_the_error_for_a_wrong_recipe_names_file_line_rule_and_value(load, old, new, message):
    with pytest.raises(ConfigError, match=message):
        load(replaced=[(old, new)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the recipe is empty"),
        ("- 1", "line 1: `the recipe` must be a mapping"),
        ("seed: 1", "line 1: `the recipe` lacks phases"),
        ("phases: []", "`phases` must have at least one phase"),
        ("phases: 3", "line 1: `phases` must be a list"),
    ],
)
def test_an_empty_or_malformed_recipe_is_rejected(load, text, message):
    with pytest.raises(ConfigError, match=message):
        load(text=text)


def test_the_error_for_a_missing_or_non_utf8_file_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such recipe(.|\n)*\n  small  "):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "gb.yaml").write_bytes("seed: 1 # 种子".encode("gb18030"))
    with pytest.raises(ConfigError, match=r"gb\.yaml: not UTF-8 at byte 10"):
        load_config(tmp_path / "gb.yaml")


def test_overrides_replace_and_add_values_and_the_last_one_wins(load):
    config = load(
        "seed=8",
        "seed=9",
        "model.hidden_size=32",
        "optimizer.beta2=0.98",
        "phases.1.num_steps=20",
        "data.pairing=full-sentences",
        "masking={}",
    )
    assert (config.seed, config.model.hidden_size, config.model.num_attention_heads) == (9, 32, 2)
    assert (config.optimizer.beta2, config.phases[1].num_steps, config.data.pairing) == (
        0.98,
        20,
        SentencePairing.FULL_SENTENCES,
    )
    [phase] = load("phases=[{max_seq_length: 64, global_batch_size: 2, num_steps: 3, learning_rate: 1e-3}]").phases
    assert (phase.max_seq_length, phase.learning_rate) == (64, 1e-3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "'seed': an override must have the form key.path=value, for example phases.0.num_steps=100"),
        ("=3", "'=3': an override must have the form"),
        ("sead=3", r"override 'sead=3': unknown key `sead`; did you mean `seed`\?"),
        ("modell.hidden_size=3", r"override 'modell\.hidden_size=3': unknown key `modell`; did you mean `model`\?"),
        (
            "model.hiden_size=3",
            r"override 'model\.hiden_size=3': unknown key `model\.hiden_size`; did you mean `hidden_size`\?",
        ),
        ("seed=many", "override 'seed=many': `seed` must be a whole number, but is 'many'"),
        ("seed=", "override 'seed=': `seed` must be a whole number, but is 'null'"),
        ("seed=[1", r"'seed=\[1': not valid YAML"),
        ("phases.2.num_steps=3", r"'phases\.2\.num_steps=3': '2' must be an index from 0 to 1"),
        ("phases.first.num_steps=3", "'first' must be an index from 0 to 1"),
        ("seed.deeper=3", r"'seed\.deeper=3': seed holds a value, not keys"),
        ("phases.0={max_seq_length: 9, nums: 1}", r"override 'phases\.0=.*': unknown key `phases\.0\.nums`"),
    ],
)
def test_the_error_for_a_wrong_override_quotes_it(load, override, message):
    with pytest.raises(ConfigError, match=message):
        load(override)


def test_the_fingerprint_covers_everything_except_runtime(load):
    config = load()
    assert numbers_fingerprint(
        load("runtime.micro_batch_size=99", "runtime.save_every_steps=1")
    ) == numbers_fingerprint(config)
    # the words of a dictionary are in the fingerprint of the shards
    dictionaries = load("data.custom_dictionary=[a.dic, b.dic]", "data.dictionary_separator='#'")
    assert dictionaries.data.custom_dictionary == ("a.dic", "b.dic") and dictionaries.data.dictionary_separator == "#"
    assert numbers_fingerprint(dictionaries) == numbers_fingerprint(config)
    changes = [
        "seed=8",
        "model.hidden_size=32",
        "data.short_seq_prob=0.2",
        "masking.dupe_factor=6",
        "optimizer.beta1=0.8",
        "amp.level=O1",
    ]
    changes += ["phases.0.num_steps=99", "selection.keep=best"]
    assert {change.partition(".")[0].partition("=")[0] for change in changes} == {
        item.name for item in dataclasses.fields(PretrainRecipe)
    } - {"runtime", "needs_init"}
    assert (
        len({numbers_fingerprint(load(change)) for change in changes} | {numbers_fingerprint(config)})
        == len(changes) + 1
    )


def test_with_a_selection_the_fingerprint_covers_the_settings_of_the_evaluation(load):
    changes = ("runtime.evaluate_every_steps=3", "runtime.max_evaluation_examples=9", "runtime.log_every_steps=3")
    for selection, are_covered in (((), [False, False, False]), (("selection.keep=best",), [True, True, False])):
        plain = numbers_fingerprint(load(*selection))
        assert [numbers_fingerprint(load(*selection, change)) != plain for change in changes] == are_covered


def test_settings_that_were_added_leave_the_fingerprints_of_older_runs_unchanged():
    """The fingerprint of the recipe `small` in version 0.2, which its runs have recorded."""
    assert numbers_fingerprint(load_config("small")).startswith("d84b650eb321ed9007b9ef9e")


def test_an_override_replaces_the_other_way_to_give_a_number():
    steps = load_config("domain", overrides=["phases.0.num_steps=9", "phases.0.num_warmup_steps=2"]).phases[0]
    assert (steps.num_steps, steps.num_epochs, steps.num_warmup_steps, steps.warmup_ratio) == (9, 0.0, 2, 0.0)
    epochs = load_config("small", overrides=["phases.0.num_epochs=1.5", "phases.0.warmup_ratio=0.2"]).phases[0]
    assert (epochs.num_steps, epochs.num_epochs, epochs.num_warmup_steps, epochs.warmup_ratio) == (0, 1.5, 0, 0.2)
    with pytest.raises(ConfigError, match="`num_steps` must be at least 1, or `num_epochs` above 0, not both"):
        load_config("small", overrides=["phases.0.num_epochs=1", "phases.0.num_steps=5"])


def test_patience_needs_a_recipe_of_one_phase(load):
    with pytest.raises(ConfigError, match="`selection.patience` must be 0 in a recipe with 2 phases"):
        load("selection.patience=2")


def test_a_config_survives_a_round_trip_through_yaml(load):
    config = load()
    plain = to_plain(config)
    assert (plain["masking"]["strategy"], len(plain["phases"])) == ("whole-word", 2)
    assert load(text=str(plain).replace("True", "true").replace("False", "false").replace("None", "null")) == config


@pytest.mark.parametrize(
    "name", ["small", "small.yaml", "scripts/recipes/small.yaml", "/elsewhere/scripts/recipes/small.yaml"]
)
def test_a_packaged_recipe_is_found_by_its_name_and_by_its_old_path_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(name) == ROOT / "paddle_wwm" / "recipes" / "small.yaml"
    assert load_config(name) == load_config(PACKAGED[0].parent / "small.yaml")


def test_an_existing_file_takes_precedence_over_a_packaged_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "mini").mkdir()
    assert find_recipe("small.yaml") == Path("small.yaml") and load_config("small.yaml").model.hidden_size == 64
    assert find_recipe("small").is_absolute() and find_recipe("mini").is_absolute()


@pytest.mark.parametrize("name", ["smal", "runs/small.yaml", "recipes/small.yaml", "scripts/recipes/absent.yaml", ""])
def test_the_error_for_a_missing_recipe_lists_the_packaged_recipes(name):
    with pytest.raises(ConfigError, match="no such recipe") as stop:
        find_recipe(name)
    assert list_recipes() in str(stop.value)


def test_the_list_has_every_packaged_recipe_with_a_description():
    lines = list_recipes().splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in PACKAGED)
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masked_lm_prob": 1.5}, r"`masked_lm_prob` must be in \[0, 1\], but is 1\.5"),
        ({"masked_lm_prob": 0.0}, "`masked_lm_prob` must be above 0"),
        ({"mask_token_prob": -0.1}, r"`mask_token_prob` must be in \[0, 1\], but is -0\.1"),
        ({"random_token_prob": float("nan")}, "`random_token_prob` must be in"),
        ({"mask_token_prob": 0.8, "random_token_prob": 0.3}, r"must be at most 1, but are 0\.8 \+ 0\.3"),
        ({"max_predictions_per_seq": 0}, "`max_predictions_per_seq` must be at least 1, but is 0"),
        ({"dupe_factor": 0}, "`dupe_factor` must be at least 1, but is 0"),
    ],
)
def test_the_error_for_invalid_masking_names_rule_and_value(changes, message):
    with pytest.raises(ValueError, match=message):
        MaskingConfig(**changes)


def test_masking_probabilities_may_sum_to_one():
    assert MaskingConfig(masked_lm_prob=1.0, mask_token_prob=0.9, random_token_prob=0.1).random_token_prob == 0.1


LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.mark.parametrize(("sizes", "millions"), [({}, 102.9), ({"num_hidden_layers": 3}, 39.1), (LARGE, 326.6)])
def test_the_parameter_counts_match_the_published_sizes(sizes, millions):
    """Sizes of base, RBT3 and large with a vocabulary of 21,128.

    The heads add 0.6 to 1.1 million to the published 102M, 38M and 325M.
    """
    counted = count_parameters(ModelConfig(vocab_size=21128, **sizes), with_pretraining_heads=True)
    assert counted / 1e6 == pytest.approx(millions, abs=0.05)


def test_a_limit_of_predictions_below_the_rate_is_an_error_that_names_both_keys(load):
    for change in ("masking.masked_lm_prob=0.4", "masking={masked_lm_prob: 0.4}"):
        assert load(change).masking.budget(512) == 205, "without a limit, the rate alone decides"
    limited = "masking={masked_lm_prob: 0.4, max_predictions_per_seq: 80}"
    with pytest.raises(
        ConfigError, match="`max_predictions_per_seq` must be at least .*`masked_lm_prob` 0.4 of .* is 80"
    ):
        load(limited)
    assert load(limited, "masking.max_predictions_per_seq=null").masking.max_predictions_per_seq is None


def test_a_run_with_the_former_default_limit_has_the_same_fingerprint_if_its_masks_are_the_same(load):
    limited, unlimited = load("masking={max_predictions_per_seq: 80}"), load("masking={}")
    assert numbers_fingerprint(limited) == numbers_fingerprint(unlimited)
    other = load("masking={max_predictions_per_seq: 90}")
    assert numbers_fingerprint(other) != numbers_fingerprint(limited)
