"""Make module.py and the model card of a module.

hub_modules/ holds those of the models in the table and of the demonstration: `paddle-wwm hub build --write-sources`
writes them, and a test compares them with the table. Those of a user's own model are made when its module is built.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.version import Version

from ..errors import HubModuleError
from ..model_config import ModelConfig, count_parameters
from ..variants import VARIANTS, Variant
from ..version import __version__
from .module_info import module_info

NAME_RULE = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
VERSION_RULE = re.compile(r"\d+\.\d+\.\d+")
FIRST_VERSION = "1.0.0"  # of a user's own module
DEMO = "chinese-bert-wwm-quickstart"
SHARED_IMPORT = "from paddle_wwm.hub import BertHubModule"
MODULE_TEMPLATE = '''"""{name} as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="{name}",
    version="{version}",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="{summary}",
)
class Module(BertHubModule):
    """The PaddleHub module {name}."""
'''
OWN_CARD = """# {name}

{summary}

Built with paddle_wwm from a user's weights. The paddle_wwm project has checked neither their quality nor their licence.

```python
import paddlehub as hub

module = hub.Module(name="{name}")
{example}
```
"""
DEMO_SUMMARY = "A demonstration: the tiny BERT of the quick start, with whole word masking. Not a useful model."
DEMO_CARD = """# chinese-bert-wwm-quickstart

**A demonstration, not a useful model.** `make pretrain` produces it: a BERT of 2 layers x 128, trained for a minute or two on the sample
corpus of paddle_wwm (about 44,000 characters), with a vocabulary built from that corpus. It shows that all steps work, from raw text to an
installed module. Its predictions mean little. Do not compare it with the models of the Chinese-BERT-wwm series (chinese-bert-wwm,
chinese-roberta-wwm-ext, …): it does not contain their weights.

```python
import paddlehub as hub

module = hub.Module(name="chinese-bert-wwm-quickstart", task="fill-mask")
print(module.predict(["早上七点半的地[MASK]站台上，几乎没有人说话。"]))
print(module.get_embedding(["今天天气真好。"]).shape)
```

| | |
|---|---|
| architecture | BERT: load it with Bert classes, not with Roberta classes |
| sizes | 2 layers, hidden 128, 2 heads, feed-forward 512, 128 positions |
| masking | whole word masking, words by LAC; next-sentence prediction |
| training data | the sample corpus of paddle_wwm, CC0 |
| licence | Apache-2.0 |
"""
OWN_EXAMPLE = """print(module.predict(["今天天气真好。"]))
print(module.get_embedding(["今天天气真好。"], pooling="mean").shape)"""
VARIANT_CARD = """# {title} (`{name}`)

{summary} This is a module of paddle_wwm, not of the model's authors.

```python
import paddlehub as hub

module = hub.Module(name="{name}")
vectors = module.get_embedding(["今天天气真好。", "明天可能要下雨。"], pooling="mean")  # one vector per text: (2, {hidden_size})

classifier = hub.Module(name="{name}", task="seq-cls", label_map={{0: "negative", 1: "positive"}})
# Train the classifier with hub.Trainer or your own loop. Then load it with hub.Module(…, load_checkpoint="best_model") and call predict([…]).
```

Tasks: no task (hidden states, embeddings), `fill-mask`, `seq-cls` (texts or pairs), `multi-label`, `token-cls`, `text-matching`,
`question-answering`. `fill-mask` needs weights with the masked language model's head. Published weights often lack this head; then `fill-mask` raises an error.

**Programs that were written for PaddleHub's own modules:** `hub.Module(name="{name}", compatible=True)` returns results in the forms of PaddleHub 2.4:
`token-cls` also labels [CLS] and [SEP], and `get_embedding` returns `[pooled, sequence]` per text. The page `docs/official-modules.md` of paddle_wwm has all
differences.

| | |
|---|---|
| architecture | BERT: load it with Bert classes, not with Roberta classes |
| sizes | {sizes} |
| parameters | {parameters} without heads |
| vocabulary | {vocab_size:,} entries, {case}; language: {language} |
| trained on | {corpus} |
| masking | {masking} |
| started from | {init} |
| weights | [{source}](https://huggingface.co/{source}); also known as {aliases} |
| licence | {licence} (as its authors state); this module's code: Apache-2.0 |

**Weights** are searched for in this order: `weights=DIR`, the `assets` folder of this module, the folder of downloaded models (`PADDLE_WWM_HOME`), and
the hub (if paddle_wwm is installed). If no weights are found, loading raises an error that lists these ways. Random weights are never used.

**Serving.** `hub serving start` listens on all network interfaces and does not limit requests. If the machine is not behind a firewall, use
`paddle-wwm hub serve`, which listens on this machine only.
"""


def folder_name(name: str) -> str:
    """Return the name of the folder in which PaddleHub keeps a module."""
    return name.replace("-", "_")


def variant_sources(variant: Variant) -> tuple[str, str]:
    """Return module.py and README.md for a model of the table."""
    config, recipe = variant.config, variant.recipe
    summary = f"{variant.title}: {_origin(variant)}"
    card = VARIANT_CARD.format(
        title=variant.title,
        name=variant.name,
        summary=summary,
        hidden_size=config.hidden_size,
        sizes=sizes_in_words(config),
        parameters=f"{count_parameters(config) / 1e6:.1f}M",
        vocab_size=config.vocab_size,
        case="lower-cased" if variant.do_lower_case else "cased",
        language=variant.language,
        corpus=variant.corpus + (f" ({variant.num_tokens} tokens)" if variant.num_tokens else ""),
        masking={"WWM": "whole word masking"}.get(recipe.masking, recipe.masking)
        + (" (assumed)" if "masking" in recipe.assumed else ""),
        init=recipe.init or "not stated",
        source=variant.source,
        aliases=", ".join(f"`{alias}`" for alias in variant.aliases if alias not in (variant.source, variant.archive))
        or (f"`{variant.archive}`" if variant.archive else "no other name"),
        licence=variant.licence,
    )
    return _module_of_the_project(variant.name, summary=summary), card


def demo_sources() -> tuple[str, str]:
    """Return module.py and README.md for the demonstration."""
    return _module_of_the_project(DEMO, summary=DEMO_SUMMARY), DEMO_CARD


def _module_of_the_project(name: str, *, summary: str) -> str:
    return MODULE_TEMPLATE.format(name=name, version=version_of_the_project(__version__), summary=summary)


def version_of_the_project(package: str) -> str:
    """Return the version of the project's modules for the package's: 3.2.0 for 0.2.0.

    It is the package's version with 3 added to the first number: PaddleHub's own repository has modules of the same
    names by other authors, with versions up to 2.x.
    """
    major, minor, patch = (*Version(package).release, 0, 0)[:3]
    return f"{major + 3}.{minor}.{patch}"


def _origin(variant: Variant) -> str:
    article = "an" if variant.language == "English" else "a"
    model = (
        f"{article} {variant.language} BERT of {variant.config.num_hidden_layers} layers x {variant.config.hidden_size}"
    )
    return f"{model}, pretrained with whole word masking." if variant.recipe.masking == "WWM" else f"{model}."


def sizes_in_words(config: ModelConfig) -> str:
    """Return the sizes of a model in words, for a card."""
    return (
        f"{config.num_hidden_layers} layers, hidden {config.hidden_size}, {config.num_attention_heads} heads, "
        f"feed-forward {config.intermediate_size}, {config.max_position_embeddings} positions"
    )


def write_sources(modules: Path) -> list[Path]:
    """Write hub_modules/ from the table, and the demonstration; return the folders."""
    sources = {variant.hub_name: variant_sources(variant) for variant in VARIANTS} | {DEMO: demo_sources()}
    folders = []
    for name, texts in sources.items():
        folder = modules / folder_name(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(("module.py", "README.md"), texts):
            (folder / file).write_text(text, encoding="utf-8")
        folders.append(folder)
    return folders


def module_sources(name: str, *, modules: Path | None, version: str | None) -> tuple[str, str]:
    """Return module.py and the model card for a name.

    They come from the folder `modules` if it has the name, else from the table of models. For any other name they are
    made from templates.

    Raises:
        HubModuleError: The name or the version is not valid.
    """
    if not NAME_RULE.fullmatch(name):
        raise HubModuleError(f"`name` must be lower-case letters, digits and single dashes, but is {name!r}.")
    if version is not None and not VERSION_RULE.fullmatch(version):
        raise HubModuleError(f"`version` must have the form 1.2.3, but is {version!r}.")
    own = modules / folder_name(name) if modules is not None else None
    variant = next((row for row in VARIANTS if row.hub_name == name), None)
    if own is not None and own.exists():
        source, card = (own / "module.py").read_text(encoding="utf-8"), (own / "README.md").read_text(encoding="utf-8")
        place = own / "module.py"
    elif variant is not None or name == DEMO:
        source, card = demo_sources() if variant is None else variant_sources(variant)
        place = Path(name)
    else:
        values = {
            "name": name,
            "version": version or FIRST_VERSION,
            "summary": "A BERT of a user of paddle_wwm.",
        }
        return MODULE_TEMPLATE.format(**values), OWN_CARD.format(**values, example=OWN_EXAMPLE)
    info = module_info(source, path=place)
    if info["name"] != name:
        raise HubModuleError(f"{place}: `name` must be {name!r}, but is {info['name']!r}.")
    if version not in (None, info["version"]):
        raise HubModuleError(f"{name} has version {info['version']}; to set another --version, choose another --name.")
    return source, card
