"""The first steps of a user: `make pretrain`, then every command of the README and the pages, in a folder like a clone.

Blocks that need a cluster or the network are only parsed. Both languages have the same commands.
"""

import bz2
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import yaml

from .readme import PAGES, READMES, ROOT, blocks_of
from .scripts import run_command

EXAMPLES = ("example: my own files", "example: forms of text")
pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Make a folder with the files of the project, in which runs/ can be written."""
    folder = tmp_path_factory.mktemp("clone")
    for name in (
        "Makefile",
        "paddle_wwm",
        "docs",
        "experiments",
        "scripts",
        "hub_modules",
        "setup.py",
        "constraints.txt",
        *READMES,
    ):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def environment():
    """Return the variables after `source .venv/bin/activate`, without those of the test session."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HUB_HOME", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL")
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def run(command, *, cwd, environment):
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def quick_start(clone, environment):
    """Run `make pretrain` and return its result."""
    started = time.monotonic()
    result = run(["make", "pretrain", f"PY={sys.executable}"], cwd=clone, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    print(f"make pretrain took {time.monotonic() - started:.0f} s")
    return result


def test_make_pretrain_leads_from_raw_text_to_a_filled_mask(quick_start, clone):
    output = quick_start.stdout
    for text in (
        "built a vocabulary",
        "prepared 235 documents",
        "starting 2 workers",
        "one example",
        "trained 300 steps",
        "built chinese-bert-wwm",
    ):
        assert text in output, text
    assert "Successfully installed" in output + quick_start.stderr
    assert re.search(r"→ 早上七点半的地.+站台上，几乎没有人说话。", output)
    assert "mask 1: " in output and "get_embedding: 2 vector(s) of 128 numbers" in output
    assert (clone / "runs/quickstart/hub/modules/chinese_bert_wwm_quickstart/module.py").exists()


def test_the_quick_start_beats_the_unigram_baseline_on_held_out_documents(quick_start):
    [(accuracy, baseline)] = re.findall(r"masked accuracy ([\d.]+)% \(unigram ([\d.]+)%\)", quick_start.stdout)
    assert float(accuracy) > 1.2 * float(baseline)


def test_the_quick_start_prints_no_noise(quick_start):
    noise = ("ccache", "distutils", "DeprecationWarning", "Modified FLAGS", "topology.py", "Traceback")
    text = quick_start.stdout + quick_start.stderr
    assert [word for word in noise if word in text] == []


def test_a_second_make_pretrain_does_not_train_again(quick_start, clone, environment):
    metrics = (clone / "runs/quickstart/metrics.jsonl").read_bytes()
    again = run(["make", "pretrain", f"PY={sys.executable}"], cwd=clone, environment=environment)
    assert again.returncode == 0 and "already complete" in again.stdout, again.stderr
    assert (clone / "runs/quickstart/metrics.jsonl").read_bytes() == metrics


@pytest.mark.parametrize("names", PAGES, ids=lambda names: names[0])
def test_both_languages_have_the_same_blocks_in_the_same_order(names):
    english, chinese = (
        [
            (block.marker, block.language, block.commands)
            for block in blocks_of(name)
            if block.language in ("bash", "python", "yaml")
        ]
        for name in names
    )
    assert english == chinese and (english or names[0] in ("docs/serve.md", "docs/masking.md", "docs/recipes.md"))


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_short_and_shows_how_to_load_a_hub_module(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    assert any('hub.Module(name="chinese-roberta-wwm-ext").get_embedding(["今天天气真好。"])' in line for line in lines)


@pytest.mark.parametrize("name", [name for names in PAGES for name in names])
def test_every_link_of_a_page_has_an_existing_target(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links and [link for link in links if link and not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", [name for names in PAGES for name in names])
def test_every_block_parses_and_has_a_known_marker(name):
    for block in blocks_of(name):
        assert block.marker in ("", "make", "needs: network", "needs: cluster", *EXAMPLES)
        if block.language == "bash":
            assert subprocess.run(["bash", "-n"], input=block.code, text=True).returncode == 0, block.code
        elif block.language == "python":
            compile(block.code, name, "exec")
        elif block.language == "yaml":
            assert all(isinstance(part, dict) and "kind" in part for part in yaml.safe_load_all(block.code))


def write_forms_of_text(folder, documents):
    """Write files of several forms: JSON, GB18030 without an ending, and a dump of a wiki."""
    (folder / "old").mkdir(parents=True)
    records = [{"title": "题", "data": {"body": document.split("\n")}} for document in documents]
    (folder / "news.json").write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "old" / "part-0").write_bytes("\n".join(documents).encode("gb18030"))
    pages = "".join(
        f"<page><title>题</title><ns>0</ns><id>{number}</id><revision><text>{escape(document)}</text></revision></page>"
        for number, document in enumerate(documents)
    )
    (folder / "zhwiki.xml.bz2").write_bytes(bz2.compress(f"<mediawiki>{pages}</mediawiki>".encode()))


def test_every_command_of_the_pages_runs(quick_start, clone, environment, sample_corpus):
    """Run the blocks in order, in one environment; "my own files" are a part of the sample corpus."""
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")
    (clone / "corpus").mkdir()
    for number in range(2):
        (clone / "corpus" / f"part{number}.txt").write_text(
            "\n\n".join(documents[number::2][:60]) + "\n", encoding="utf-8"
        )
    write_forms_of_text(clone / "crawl", documents[:40])
    exported: dict[str, str] = {}
    for block in [block for english, _ in PAGES for block in blocks_of(english)]:
        if block.language not in ("bash", "python") or block.marker not in ("", *EXAMPLES):
            continue
        command = [sys.executable, "-c", block.code] if block.language == "python" else ["bash", "-euc", block.code]
        result = run(command, cwd=clone, environment={**environment, **exported})
        assert result.returncode == 0, f"{block.code}\n{result.stdout}\n{result.stderr}"
        exported |= dict(re.findall(r"^export (\w+)=(\S+)", block.code, re.MULTILINE))
    assert (clone / "runs/mine/model/config.json").exists() and (clone / "shards/mine/manifest.json").exists()


def test_the_pages_visualdl_command_serves_the_curves(quick_start, clone, environment):
    [command] = set(re.findall(r"`(visualdl [^`]+)`", (ROOT / "docs/install.md").read_text(encoding="utf-8")))
    assert command in quick_start.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    executable = shutil.which("visualdl", path=environment["PATH"])
    server = subprocess.Popen(
        [executable, *command.split()[1:], "--port", str(port)],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None
                time.sleep(0.3)
        assert page.status == 200
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def test_make_help_lists_the_two_commands(clone):
    result = run_command(["make", "help"], cwd=clone)
    assert result.returncode == 0 and "make pretrain" in result.stdout and "make test" in result.stdout
