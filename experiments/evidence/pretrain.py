"""The two arms, runs of the command `pretrain` that differ only in the masking, and their initial weights."""

from __future__ import annotations

from pathlib import Path

import yaml

from paddle_wwm.config import to_plain
from paddle_wwm.errors import ConfigError
from paddle_wwm.files import atomic_directory
from paddle_wwm.model.folder import CONFIG_NAME
from paddle_wwm.pretraining.metrics_log import read_metrics
from paddle_wwm.pretraining.run_folder import MODEL_NAME, RECIPE_NAME
from paddle_wwm.runs.folder import read_record
from paddle_wwm.runs.processes import Command, package_command
from paddle_wwm.shards.reader import ShardSet

from .experiment import PRETRAINED, Arm, EvidenceConfig, differing_fields, model_name
from .processes import run_all

# names as in config.json. The pooler is listed as in the models of the arms, so fine-tuning treats all models equally.
UNTRAINED_PARTS = ("bert.embeddings", "bert.encoder", "bert.pooler", "cls")


def is_pretrained(config: EvidenceConfig, arm: Arm, seed: int) -> bool:
    """Return True if a run is finished: the trainer writes `model` last."""
    return (config.pretraining_path(arm, seed) / MODEL_NAME / CONFIG_NAME).exists()


def pretrain(config: EvidenceConfig, *, shards: ShardSet) -> None:
    """Train all unfinished runs, with at most `num_jobs` processes at a time.

    Raises:
        ConfigError: An existing run has another recipe or corpus.
    """
    num_at_a_time = max(1, config.num_jobs // config.num_workers)
    commands = []
    for arm, seed in config.pretrained():
        check_run(config, arm, seed, shards=shards)
        print(f"  {model_name(arm, seed)}: {'done' if is_pretrained(config, arm, seed) else 'to do'}", flush=True)
        if not is_pretrained(config, arm, seed):
            commands.append(pretraining_command(config, arm, seed, to_terminal=num_at_a_time == 1))
    run_all(commands, num_jobs=num_at_a_time, what="pretraining")


def pretraining_command(config: EvidenceConfig, arm: Arm, seed: int, *, to_terminal: bool = True) -> Command:
    """Return the command that trains one model.

    It prints to the terminal, or to a file in OUTPUT/logs if `to_terminal` is False.
    """
    arguments = (
        *(
            "--corpus",
            str(config.shards_path),
            "--config",
            str(config.recipe),
            "--output",
            str(config.pretraining_path(arm, seed)),
        ),
        *("--prepared", str(config.output / "prepared"), "--nproc", str(config.num_workers), "--resume", "auto"),
        *config.arm_overrides(arm, seed),
    )
    log = None if to_terminal else config.output / "logs" / f"pretrain-{model_name(arm, seed)}.log"
    return Command(name=model_name(arm, seed), line=package_command("pretrain", *arguments), log=log)


def check_run(config: EvidenceConfig, arm: Arm, seed: int, *, shards: ShardSet) -> None:
    """Check that an existing run has the expected recipe and shards.

    Raises:
        ConfigError: The recipe differs (the message names the keys), or the shards differ.
    """
    path = config.pretraining_path(arm, seed)
    record = read_record(path)
    if record is None:
        return
    expected = to_plain(config.arm_config(arm, seed, vocab_size=shards.manifest.vocab_size))
    found = yaml.safe_load((path / RECIPE_NAME).read_text(encoding="utf-8"))
    names = [name for name in differing_fields(found, expected) if not name.startswith("runtime.")]
    if names:
        raise ConfigError(
            f"{path / RECIPE_NAME}: the run was trained with another recipe ({', '.join(names)}); give that recipe, "
            f"or another --output."
        )
    if record["shard_fingerprint"] != shards.manifest.fingerprint:
        raise ConfigError(
            f"{path}: the run was trained on other shards than {config.shards_path}; give another --output."
        )


def save_first_weights(config: EvidenceConfig, *, shards: ShardSet) -> None:
    """Write, for every seed, a model folder with the initial weights of the trainer."""
    for seed in config.seeds:
        path = config.model_path(Arm.FROM_SCRATCH, seed)
        if not path.exists():
            _save_first_weights(config, seed=seed, shards=shards, path=path)


def _save_first_weights(config: EvidenceConfig, *, seed: int, shards: ShardSet, path: Path) -> None:
    import paddle

    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.model.weights import save_model

    run = config.arm_config(PRETRAINED[0], seed, vocab_size=shards.manifest.vocab_size)
    paddle.seed(run.seed)
    model = BertForPretraining(run.model)
    with atomic_directory(path) as folder:
        save_model(
            folder, model=model, vocab=shards.vocab(), do_lower_case=run.data.do_lower_case, untrained=UNTRAINED_PARTS
        )


def curves(config: EvidenceConfig, arm: Arm, seed: int) -> list[dict[str, float]]:
    """Return the held-out metrics of a training run, under the masks of its own arm."""
    return [record for record in read_metrics(config.pretraining_path(arm, seed)) if record["kind"] == "held_out"]


def masked_share(config: EvidenceConfig, arm: Arm, seed: int) -> float:
    """Return the share of tokens that a run had to predict, averaged over its steps."""
    records = [record for record in read_metrics(config.pretraining_path(arm, seed)) if record["kind"] == "train"]
    return sum(record["masked_share"] for record in records) / len(records)
