"""`convert`: convert a model from any known format into a new folder, tensor by tensor, and record what was done."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, Sequence

from ..archives import is_archive, unpack_archive
from ..errors import CheckpointError, ConfigError
from ..files import atomic_directory, check_sha256_file, check_space, write_json
from ..progress import Progress, counted
from ..weights.tensors import cast
from ..weights.torch_archive import is_torch_archive
from .adapters import with_adapter
from .growth import with_words
from .layers import with_layers, with_shifted_positions
from .onnx_export import FILL_MASK
from .opening import OpenedModel, open_model
from .options import ConversionOptions
from .result import RECORD_NAME, Conversion, record_of
from .saving import GOOGLE_LAYER_NORM_EPS, save_model_files
from .sentence_folder import check_pooling
from .targets import Target, TargetOptions, for_target


def convert(
    source: str | Path,
    *,
    target: str | Path,
    to: Target | str,
    config: str | Path | None = None,
    vocab: str | Path | None = None,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    keep_layers: tuple[int, ...] | None = None,
    dtype: str | None = None,
    drop_unexpected: bool = False,
    options: ConversionOptions = ConversionOptions(),  # noqa: B008  (it is frozen)
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Conversion:
    """Convert a BERT into a new folder for another framework.

    The target folder appears when it is complete. No framework needs to be installed.

    Args:
        source: a folder, a weights file, a TensorFlow prefix, or a zip or tar archive with one of them.
        target: the new folder.
        to: the framework of the target: "paddle", "paddlenlp" (with safetensors), "huggingface",
            "sentence-transformers", "tensorflow" or "onnx".
        config: a config.json or bert_config.json to use instead of the one next to the weights.
        vocab: a vocab.txt to use instead of the one next to the weights.
        task: the task of a fine-tuned head: "seq-cls", "multi-label", "token-cls", "question-answering" or
            "text-matching"; None: the one that the configuration states. "fill-mask" exports the scores of words to
            ONNX.
        labels: the names of the classes in the order of their numbers; None: those of the configuration.
        keep_layers: numbers of the layers to keep, in this order; None: all.
        dtype: "float32", "float16" or "bfloat16"; None keeps the bits of the source.
        drop_unexpected: leave out tensors of other parts, such as a fine-tuned head. Tensors inside the embeddings or
            the encoder are never left out.
        options: adapters, words to add, settings of single targets, and exceptions; see `ConversionOptions`.
        overwrite: replace a folder that `convert` wrote.
        dry_run: check the source and write nothing.
        progress: called with the bytes that are unpacked and written.

    Returns:
        The files written, the numbers of tensors and parameters, the data types, and which parts were initialised,
        absent or dropped.

    Raises:
        CheckpointError: the source cannot be read or is not a BERT, or `target` exists already.
        ConfigError: an argument is wrong.
        ArchiveError: the archive is damaged or unsafe.

    Source:
        Names of parameters: Google's BERT, transformers and PaddleNLP. The table is paddle_wwm/conversion/names.py.

    Example:
        >>> from paddle_wwm import convert
        >>> done = convert("model", target="model-hf", to="huggingface")
        >>> [path.name for path in done.files if path.suffix == ".safetensors"]
        ['model.safetensors']
    """
    start, target, to = time.perf_counter(), Path(target), _target_of(to)
    of_target = TargetOptions(pooling=options.pooling, normalize=options.normalize)
    check_pooling(options.pooling)
    if to is Target.ONNX and task == FILL_MASK:
        of_target, task = dataclasses.replace(of_target, task=task), None
    if to is Target.ONNX and dtype not in (None, "float32"):
        raise ConfigError(f"ONNX files are written in float32, so --dtype {dtype} is not possible.")
    if to is not Target.SENTENCE_TRANSFORMERS and of_target != TargetOptions(task=of_target.task):
        raise ConfigError("`pooling` and `normalize` are for sentence-transformers (--to sentence-transformers) only.")
    _check_target(target, overwrite=overwrite)
    with _unpacked(Path(source), near=target, progress=progress) as place:
        opened = open_model(
            place,
            config=config,
            vocab=vocab,
            task=task,
            labels=labels if options.merge is None else None,
            drop_unexpected=drop_unexpected,
            ignore_crc=options.ignore_crc,
            ignored_config_keys=options.ignored_config_keys,
        )
        for path in opened.files:
            check_sha256_file(path, error=CheckpointError)
        if options.merge is not None:
            opened = with_adapter(opened, Path(options.merge), drop_unexpected=drop_unexpected, labels=labels)
        if opened.is_roberta_class and opened.head is not None and not options.positions_shifted:
            raise CheckpointError(
                f"{source}: was fine-tuned in PaddleNLP's Roberta class, which numbers positions from 1: add "
                f"--positions-shifted."
            )
        if options.positions_shifted:
            opened = with_shifted_positions(opened)
        kept = with_layers(opened, keep_layers) if keep_layers is not None else opened
        if options.add_words:
            kept = with_words(kept, options.add_words, use_unused=options.use_unused)
        model = for_target(_in_dtype(kept, dtype), to)
        result = Conversion(
            source=str(source),
            target=target,
            files=(),
            description=opened.description,
            head=model.head.in_words if model.head is not None else "",
            num_tensors=len(model.tensors),
            num_parameters=model.num_parameters,
            dtypes=model.dtypes,
            made_anew=tuple(part for part in kept.absent if part not in model.absent),
            absent=model.absent,
            passed_over={reason: len(names) for reason, names in opened.passed_over.items()},
            taken_off=opened.taken_off,
            left_out=opened.left_out,
            dropped=opened.unexpected,
            notes=(*model.notes, *_notes(model, to)),
            seconds=0.0,
        )
        if not dry_run:
            check_space(
                target,
                num_bytes=sum(tensor.num_bytes for tensor in model.tensors.values()),
                what="the model",
                remedy="make room, or name another folder",
                error=CheckpointError,
            )
            with atomic_directory(target, replace=overwrite) as folder:
                total = sum(tensor.num_bytes for tensor in model.tensors.values())
                with counted(progress, stage=f"to {to.value}", total=total, unit="B") as written:
                    notes = save_model_files(folder, model, target=to, options=of_target, on_bytes=written.update)
                result = dataclasses.replace(result, notes=(*result.notes, *notes))
                write_json(folder / RECORD_NAME, record_of(result, opened, to=to, keep_layers=keep_layers))
            result = dataclasses.replace(result, files=tuple(sorted(target.iterdir())))
    return dataclasses.replace(result, seconds=time.perf_counter() - start)


@contextlib.contextmanager
def _unpacked(source: Path, *, near: Path, progress: Callable[[Progress], None] | None) -> Iterator[Path]:
    """Yield the source, or the temporary folder into which an archive was unpacked.

    The temporary folder is next to the target, so that it is on the same disk.
    """
    if not is_archive(source) or is_torch_archive(source):
        yield source
        return
    check_sha256_file(source, error=CheckpointError)
    near.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near.parent, prefix=f".{near.name}.unpacked.") as folder:
        place = unpack_archive(source, target=Path(folder) / "model", progress=progress)
        try:
            yield place
        except CheckpointError as error:  # name the archive, which the user knows, and not the temporary folder
            raise CheckpointError(str(error).replace(str(place), str(source))) from None


def _in_dtype(model: OpenedModel, dtype: str | None) -> OpenedModel:
    if dtype is None:
        return model
    return dataclasses.replace(
        model, tensors={name: cast(tensor, dtype, name=name) for name, tensor in model.tensors.items()}
    )


def _target_of(to: Target | str) -> Target:
    try:
        return Target(to)
    except ValueError:
        raise ConfigError(f"`to` must be one of {', '.join(one.value for one in Target)}, but is {to!r}.") from None


def _notes(model: OpenedModel, to: Target) -> tuple[str, ...]:
    notes = []
    if model.vocab is None:
        notes.append(
            "The source has no vocab.txt, so the target has none. Put the vocabulary of the model "
            "next to the weights, or pass it with --vocab."
        )
    if to is Target.TENSORFLOW and model.config.layer_norm_eps != GOOGLE_LAYER_NORM_EPS:
        notes.append(
            f"Google's code always uses a LayerNorm epsilon of 1e-12, but this model was trained with "
            f"{model.config.layer_norm_eps}."
        )
    if to is Target.PADDLE and any(tensor.dtype == "float64" for tensor in model.tensors.values()):
        notes.append("The weights are float64; --dtype float32 halves the size of the file.")
    return tuple(notes)


def _check_target(target: Path, *, overwrite: bool) -> None:
    if target.is_dir() and overwrite and (target / RECORD_NAME).exists():
        return
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        remedy = (
            f"it has no {RECORD_NAME}, so it is not replaced; name another folder"
            if overwrite
            else "name another folder, or add --overwrite"
        )
        raise CheckpointError(f"{target}: exists already; {remedy}.")
