#!/usr/bin/env python
"""Fetch published weights by name: checked, converted and kept, so that the next program that wants them needs no network.

  python scripts/download.py chinese-roberta-wwm-ext                 from the hub, or the mirror that HF_ENDPOINT names
  HF_ENDPOINT=https://hf-mirror.com python scripts/download.py rbt3
  python scripts/download.py chinese-bert-wwm --from chinese_wwm_L-12_H-768_A-12.zip      an archive that you have fetched by hand
  python scripts/download.py --list                                  the models that there are, and which of them are here

NAME is any name of the table of models (python -m paddle_wwm.variants), or owner/name of another BERT on the hub. Interrupted, the same
command goes on where it was. Models are kept in PADDLE_WWM_HOME (default: paddle_wwm in your cache folder). Also honoured: HF_TOKEN,
HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT (seconds of silence), HTTPS_PROXY.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the models")
    parser.add_argument("--list", action="store_true", help="list all models, and where those that are here are")
    parser.add_argument("--dry-run", action="store_true", help="say what would be fetched, with sizes; write nothing")
    parser.add_argument("--revision", help="a branch, tag or commit of the repository (default: main)")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="a zip or tar archive, its address, or a folder, instead of the hub",
    )
    parser.add_argument("--sha256", metavar="HEX", help="with --from: what the archive's checksum must be")
    parser.add_argument("--home", type=Path, metavar="DIR", help="keep models there instead of in PADDLE_WWM_HOME")
    parser.add_argument("--overwrite", action="store_true", help="fetch again what is here")
    arguments = parser.parse_args()
    if bool(arguments.names) == arguments.list:
        parser.error("give either names of models or --list")
    if len(arguments.names) > 1 and (arguments.revision or arguments.source):
        parser.error("--revision and --from go with one name")
    if arguments.sha256 and not arguments.source:
        parser.error("--sha256 goes with --from")
    from paddle_wwm.download import fetch, home_folder, plan
    from paddle_wwm.download.report import inventory_of, lines_of_model, lines_of_plan

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
            print("\n".join(lines_of_model(fetch(name, sha256=arguments.sha256, **options))))


if __name__ == "__main__":
    run_script(main)
