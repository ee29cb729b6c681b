"""Convert a BERT between TensorFlow, Hugging Face (PyTorch), Paddle and ONNX. No framework is needed.

SOURCE is a TensorFlow checkpoint, a folder with model.safetensors, pytorch_model.bin or model_state.pdparams (one file
or several parts), one of these files, or a .zip or .tar that contains one of them. The format is detected. TARGET is a
new folder; its conversion.json records the conversion. Weights are kept bit for bit unless --dtype is given. If the
source lacks heads, a conversion to Paddle initializes them; this is printed and recorded. The head of a fine-tuned
model and its labels are converted, too. ONNX files of such models give logits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .flags import add_head_flags, convert_and_print, label_list_of

SUMMARY = "convert a BERT between TensorFlow, Hugging Face, Paddle and ONNX"
EXAMPLES = """\
examples:
  # An archive from Google or from the models' authors
  paddle-wwm convert chinese_wwm_ext_L-12_H-768_A-12.zip models/bert-wwm-ext --to paddle
  # A Hugging Face folder
  paddle-wwm convert downloads/chinese-roberta-wwm-ext models/roberta-wwm-ext --to paddle
  # To Hugging Face, for transformers
  paddle-wwm convert runs/mine/model models/mine-hf --to huggingface
  # A fine-tuned model, with its head and its labels
  paddle-wwm convert downloads/my-classifier models/my-classifier --to paddle
  # For onnxruntime, and for sentence-transformers
  paddle-wwm convert models/my-classifier models/my-classifier-onnx --to onnx
  paddle-wwm convert models/roberta-wwm-ext models/vectors --to sentence-transformers --normalize
  # The initial weights of RBT3
  paddle-wwm convert models/roberta-wwm-ext models/rbt3-start --to paddle --keep-layers 0-2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..conversion.heads import TASK_NAMES
    from ..conversion.onnx_export import FILL_MASK
    from ..conversion.sentence_folder import POOLINGS
    from ..conversion.targets import Target

    parser.add_argument("source", type=Path, metavar="SOURCE", help="the model to convert")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the new folder")
    parser.add_argument(
        "--to", required=True, choices=[target.value for target in Target], help="the framework that will open TARGET"
    )
    parser.add_argument(
        "--keep-layers", metavar="0,1,2", help="keep only these layers, and embeddings, pooler and heads"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="store the weights in this type (default: unchanged)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="config.json or bert_config.json, if it is not next to SOURCE",
    )
    parser.add_argument("--vocab", type=Path, metavar="FILE", help="vocab.txt, if it is not next to SOURCE")
    words = "; fill-mask: export the scores of words (--to onnx)"
    add_head_flags(parser, of="SOURCE", tasks=[*TASK_NAMES, FILL_MASK], more=words)
    parser.add_argument(
        "--pooling",
        choices=list(POOLINGS),
        default="mean",
        help="how a vector is made of the tokens, --to sentence-transformers (default: %(default)s)",
    )
    parser.add_argument("--normalize", action="store_true", help="vectors of length 1, --to sentence-transformers")
    parser.add_argument(
        "--merge", type=Path, metavar="ADAPTER_DIR", help="merge this LoRA adapter of peft into the weights of SOURCE"
    )
    parser.add_argument(
        "--positions-shifted",
        action="store_true",
        help="for a model that was fine-tuned in PaddleNLP's Roberta class: shift the position table by one",
    )
    parser.add_argument(
        "--drop-unexpected",
        action="store_true",
        help="leave out tensors outside of embeddings and encoder that a BERT does not have, such as a fine-tuned head",
    )
    parser.add_argument("--ignore-crc", action="store_true", help="read a PyTorch file without checksums")
    parser.add_argument(
        "--ignore-config-key", action="append", default=[], metavar="NAME", help="read config.json without this key"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace TARGET if this command wrote it")
    parser.add_argument("--dry-run", action="store_true", help="check the source and print what would be done")


def run(arguments: argparse.Namespace) -> None:
    """Convert and print a summary."""
    from ..conversion.layers import parse_layers
    from ..conversion.options import ConversionOptions

    convert_and_print(
        arguments.source,
        target=arguments.target,
        to=arguments.to,
        arguments=arguments,
        config=arguments.config,
        vocab=arguments.vocab,
        task=arguments.task,
        labels=None if arguments.label_map is None else label_list_of(arguments.label_map),
        keep_layers=parse_layers(arguments.keep_layers) if arguments.keep_layers else None,
        dtype=arguments.dtype,
        drop_unexpected=arguments.drop_unexpected,
        options=ConversionOptions(
            merge=arguments.merge,
            positions_shifted=arguments.positions_shifted,
            pooling=arguments.pooling,
            normalize=arguments.normalize,
            ignore_crc=arguments.ignore_crc,
            ignored_config_keys=arguments.ignore_config_key,
        ),
    )
