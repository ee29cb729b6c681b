"""Download published weights by name. They are checked, converted and stored, so that later runs need no network.

NAME is any name in the table of models (`paddle-wwm models`), owner/name of another BERT on the hub, or
modelscope:owner/name of a BERT on ModelScope. To continue after an interruption, rerun the same command. Models are
stored in PADDLE_WWM_HOME (default: paddle_wwm in your cache folder). Other environment variables: HF_ENDPOINT (a
mirror), HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT (seconds without data), MODELSCOPE_ENDPOINT, HTTPS_PROXY.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "download published weights by name, check and convert them"
EXAMPLES = """\
examples:
  # From the hub, or from a mirror
  paddle-wwm download chinese-roberta-wwm-ext
  HF_ENDPOINT=https://hf-mirror.com paddle-wwm download rbt3
  # From an archive that you downloaded by hand
  paddle-wwm download chinese-bert-wwm --from chinese_wwm_L-12_H-768_A-12.zip
  # List all models, and the folders of the local ones
  paddle-wwm download --list"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to download")
    parser.add_argument("--list", action="store_true", help="list all models, and the folders of the local ones")
    parser.add_argument("--dry-run", action="store_true", help="print the files to download, with sizes; write nothing")
    parser.add_argument("--revision", metavar="NAME", help="a branch, tag or commit of the repository (default: main)")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="use a zip or tar archive, its URL, a folder, or modelscope:OWNER/NAME instead of the hub",
    )
    parser.add_argument("--sha256", metavar="HEX", help="with --from: the expected checksum of the archive")
    parser.add_argument("--home", type=Path, metavar="DIR", help="store models here instead of in PADDLE_WWM_HOME")
    parser.add_argument("--overwrite", action="store_true", help="download a model again even if it exists")


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if bool(arguments.names) == arguments.list:
        parser.error("give either names of models or --list")
    if len(arguments.names) > 1 and (arguments.revision or arguments.source):
        parser.error("--revision and --from need exactly one name")
    if arguments.sha256 and not arguments.source:
        parser.error("--sha256 needs --from")


def run(arguments: argparse.Namespace) -> None:
    """Download the models, or list them."""
    from ..download import fetch, home_folder, plan
    from ..download.listing import inventory_of, lines_of_model, lines_of_plan
    from ..progress import show_bar

    home = arguments.home or home_folder()
    if arguments.list:
        print(inventory_of(home))
    for name in arguments.names:
        options = {
            "revision": arguments.revision,
            "source": arguments.source,
            "home": home,
            "overwrite": arguments.overwrite,
        }
        if arguments.dry_run:
            print("\n".join(lines_of_plan(plan(name, **options))))
        else:
            print("\n".join(lines_of_model(fetch(name, sha256=arguments.sha256, progress=show_bar, **options))))
