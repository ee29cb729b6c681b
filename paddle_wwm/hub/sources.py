"""module.py and the model card of a module: of the table's models as they stand in hub_modules/, of a user's own made
on the way.

`paddle-wwm hub build --write-sources` writes hub_modules/ again from the table of models; a test compares the two.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ..errors import HubModuleError
from ..model_config import ModelConfig, count_parameters
from ..variants import VARIANTS, Variant

NAME_RULE = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
VERSION_RULE = re.compile(r"\d+\.\d+\.\d+")
FIRST_VERSION = "1.0.0"
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
    """{summary}"""
'''
OWN_CARD = """# {name}

{summary}

Made with paddle_wwm from a checkpoint of the maker's own; paddle_wwm vouches for neither its quality nor its licence.

```python
import paddlehub as hub

module = hub.Module(name="{name}")
{example}
```
"""
OWN_EXAMPLE = """print(module.predict(["今天天气真好。"]))
print(module.get_embedding(["今天天气真好。"], pooling="mean").shape)"""
VARIANT_CARD = """# {title} (`{name}`)

{summary} This is a module of paddle_wwm, not of the model's authors.

```python
import paddlehub as hub

module = hub.Module(name="{name}")
vectors = module.get_embedding(["今天天气真好。", "明天可能要下雨。"], pooling="mean")  # one vector a text: (2, {hidden_size})

classifier = hub.Module(name="{name}", task="seq-cls", label_map={{0: "negative", 1: "positive"}})
# train it with hub.Trainer or a loop of your own, then: hub.Module(…, load_checkpoint="best_model"), and classifier.predict([…])
```

Tasks: none (hidden states, embeddings), `fill-mask`, `seq-cls` (texts or pairs), `multi-label`, `token-cls`, `text-matching`,
`question-answering`. `fill-mask` needs weights with the masked language model's head; published weights often lack it, and are refused there.

| | |
|---|---|
| architecture | BERT: load it with Bert classes, never with Roberta ones |
| sizes | {sizes} |
| parameters | {parameters} without heads |
| vocabulary | {vocab_size:,} entries, {case}; language: {language} |
| trained on | {corpus} |
| masking | {masking} |
| started from | {init} |
| weights | [{source}](https://huggingface.co/{source}); also known as {aliases} |
| licence | {licence} (as its authors state); this module's code: Apache-2.0 |

**Weights** are looked for in this order: `weights=DIR`, this module's `assets` folder, the folder of fetched models (`PADDLE_WWM_HOME`), and then,
where paddle_wwm is installed, the hub. Without any, loading ends in an error that names these ways; random weights are never used.

**Serving.** `hub serving start` listens on all network interfaces and has no limits of its own. Behind anything but a firewall, use
`paddle-wwm hub serve`, which listens on this machine only.
"""


def folder_name(name: str) -> str:
    """The folder that PaddleHub keeps a module in."""
    return name.replace("-", "_")


def variant_sources(variant: Variant) -> tuple[str, str]:
    """module.py and README.md of a row of the table."""
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
        or f"`{variant.archive}`",
        licence=variant.licence,
    )
    return MODULE_TEMPLATE.format(name=variant.name, version=FIRST_VERSION, summary=summary), card


def _origin(variant: Variant) -> str:
    layers = f"{variant.config.num_hidden_layers} layers x {variant.config.hidden_size}"
    if variant.recipe.masking == "WWM":
        return f"a {variant.language} BERT of {layers}, pretrained with whole word masking."
    return f"a {variant.language} BERT of {layers}."


def sizes_in_words(config: ModelConfig) -> str:
    """For a card."""
    return (
        f"{config.num_hidden_layers} layers, hidden {config.hidden_size}, {config.num_attention_heads} heads, "
        f"feed-forward {config.intermediate_size}, {config.max_position_embeddings} positions"
    )


def write_variant_sources(modules: Path) -> list[Path]:
    """Write hub_modules/ again from the table; returns the folders."""
    folders = []
    for variant in VARIANTS:
        folder = modules / folder_name(variant.hub_name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(("module.py", "README.md"), variant_sources(variant)):
            (folder / file).write_text(text, encoding="utf-8")
        folders.append(folder)
    return folders


def module_sources(
    name: str, *, modules: Path | None, version: str | None, summary: str | None = None
) -> tuple[str, str]:
    """Return module.py and the card of a name.

    The folder `modules` comes first, where one is given and has the name; then the table of models; another name gets
    sources made for it.

    Raises:
        HubModuleError: the name or the version breaks its rule.
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
    elif variant is not None:
        (source, card), place = variant_sources(variant), Path(name)
    else:
        values = {
            "name": name,
            "version": version or FIRST_VERSION,
            "summary": summary or "A whole-word-masked Chinese BERT of the maker's own.",
        }
        return MODULE_TEMPLATE.format(**values), OWN_CARD.format(**values, example=OWN_EXAMPLE)
    info = module_info(source, path=place)
    if info["name"] != name:
        raise HubModuleError(f"{place}: `name` must be {name!r}, but is {info['name']!r}.")
    if version not in (None, info["version"]):
        raise HubModuleError(
            f"{name} is version {info['version']} here; a version of your own needs a name of your own."
        )
    return source, card


def module_info(source: str, *, path: Path) -> dict[str, str]:
    """The literals of `moduleinfo`, read as `hub install` reads them. Raises HubModuleError where it could not."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise HubModuleError(f"{path}: is no Python source: {error}.") from None
    for node in body:
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "moduleinfo":
                try:
                    info = {
                        keyword.arg: ast.literal_eval(keyword.value)
                        for keyword in decorator.keywords
                        if keyword.arg is not None and keyword.arg != "meta"
                    }
                except ValueError:
                    raise HubModuleError(
                        f"{path}: `moduleinfo` must hold literals only, as PaddleHub reads it without running it."
                    ) from None
                if all(isinstance(info.get(key), str) for key in ("name", "version")):
                    return info
    raise HubModuleError(f"{path}: has no class decorated by moduleinfo(name=…, version=…).")
