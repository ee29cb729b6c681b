"""Model folders to installable hub modules: a folder and a reproducible archive with the weights and a copy of our code inside.

    DIST/<name with _>/module.py  README.md  assets/…  wwm_<hash>/…        DIST/<name>-<version>.tar  .tar.sha256

`hub install` reads module.py by its syntax tree, so its `moduleinfo` holds literals only. The copy of our code has a name made of its
content: two versions of a module, or a reinstalled one, never get each other's code from sys.modules.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ..conversion.pdparams import read_pdparams
from ..errors import HubModuleError
from ..files import atomic_directory, atomic_write, sha256_of_file
from ..model.weights import MODEL_FILES, WEIGHTS_NAME, read_model_config
from ..tokenization.vocab import load_vocab

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
SHARED_IMPORT = "from paddle_wwm.hub import BertHubModule"
NAME_RULE = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
VERSION_RULE = re.compile(r"\d+\.\d+\.\d+")
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
CARD_TEMPLATE = """# {name}

{summary}

Made with paddle_wwm from a checkpoint of the maker's own; paddle_wwm vouches for neither its quality nor its licence.

```python
import paddlehub as hub

module = hub.Module(name="{name}")
print(module.predict(["今天天气真[MASK]。"]))
print(module.get_embedding(["今天天气真好。"]).shape)
```
"""


@dataclass(frozen=True, kw_only=True)
class BuiltModule:
    """What was built."""

    name: str
    version: str
    directory: Path
    archive: Path
    sha256: str


def folder_name(name: str) -> str:
    """The folder that PaddleHub keeps a module in."""
    return name.replace("-", "_")


def build_module(*, name: str, weights: Path, output: Path, modules: Path, version: str | None = None) -> BuiltModule:
    """Build module `name` with the model folder `weights` inside, into the folder `output`.

    `modules` is the folder of the series' own module sources (hub_modules/). A name that it does not have gets a module of its own,
    version 1.0.0 unless `version` says otherwise. Raises HubModuleError or CheckpointError before anything is written.
    """
    if not NAME_RULE.fullmatch(name):
        raise HubModuleError(f"`name` must be lower-case letters, digits and single dashes, but is {name!r}.")
    if version is not None and not VERSION_RULE.fullmatch(version):
        raise HubModuleError(f"`version` must have the form 1.2.3, but is {version!r}.")
    _check_weights(weights)
    source, card = _sources(name, modules=modules, version=version)
    version = _module_info(source)["version"]
    output.mkdir(parents=True, exist_ok=True)
    directory = output / folder_name(name)
    if directory.exists():
        if not (directory / "module.py").exists():
            raise HubModuleError(f"{directory}: is no hub module; name another --output (it is not overwritten).")
        shutil.rmtree(directory)
    with atomic_directory(directory) as folder:
        vendored = _vendor(folder)
        (folder / "module.py").write_text(source.replace(SHARED_IMPORT, f"from .{vendored}.hub import BertHubModule"), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")
        (folder / "assets").mkdir()
        for file in MODEL_FILES:
            shutil.copyfile(weights / file, folder / "assets" / file)
    archive = output / f"{name}-{version}.tar"
    _write_archive(directory, archive)
    digest = sha256_of_file(archive)
    with atomic_write(archive.with_suffix(".tar.sha256"), "w") as stream:
        stream.write(f"{digest}  {archive.name}\n")
    return BuiltModule(name=name, version=version, directory=directory, archive=archive, sha256=digest)


def _check_weights(weights: Path) -> None:
    config = read_model_config(weights)
    vocab = load_vocab(weights / "vocab.txt")
    if len(vocab) != config.vocab_size:
        raise HubModuleError(f"{weights}: vocab.txt has {len(vocab)} entries, but config.json says vocab_size {config.vocab_size}.")
    embeddings = read_pdparams(weights / WEIGHTS_NAME).get("bert.embeddings.word_embeddings.weight")
    expected = (config.vocab_size, config.hidden_size)
    if embeddings is None or embeddings.shape != expected:
        found = "missing" if embeddings is None else tuple(embeddings.shape)
        raise HubModuleError(f"{weights / WEIGHTS_NAME}: the word embeddings must have shape {expected} by config.json, but are {found}.")


def _sources(name: str, *, modules: Path, version: str | None) -> tuple[str, str]:
    """module.py and its model card: the series' own, or made for a name of the user's."""
    own = modules / folder_name(name)
    if not own.exists():
        summary = "A whole-word-masked Chinese BERT of the maker's own."
        values = {"name": name, "version": version or "1.0.0", "summary": summary}
        return MODULE_TEMPLATE.format(**values), CARD_TEMPLATE.format(**values)
    source = (own / "module.py").read_text(encoding="utf-8")
    info = _module_info(source)
    if info["name"] != name:
        raise HubModuleError(f"{own / 'module.py'}: `name` must be {name!r}, but is {info['name']!r}.")
    if version not in (None, info["version"]):
        raise HubModuleError(f"{name} is version {info['version']} here; a version of your own needs a name of your own.")
    return source, (own / "README.md").read_text(encoding="utf-8")


def _module_info(source: str) -> dict[str, str]:
    """The literals of `moduleinfo`, read as `hub install` reads them."""
    for node in ast.parse(source).body:
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "moduleinfo":
                return {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    raise HubModuleError("module.py has no class decorated by moduleinfo(...).")


def vendored_files() -> list[Path]:
    """Our files that a module needs: hub/__init__.py and all that it imports, relative to the package, found by their import statements."""
    found: set[Path] = set()
    pending = [PACKAGE_ROOT / "hub" / "__init__.py"]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        pending += [parent / "__init__.py" for parent in path.parents if parent.is_relative_to(PACKAGE_ROOT)]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                pending += [candidate for candidate in (base.with_suffix(".py"), base / "__init__.py") if candidate.exists()]
                pending += [base / f"{alias.name}.py" for alias in node.names if (base / f"{alias.name}.py").exists()]
    return sorted(path.relative_to(PACKAGE_ROOT) for path in found)


def _vendor(folder: Path) -> str:
    """Copy our code into the module under a name made of its content; returns the name."""
    contents = {path: (PACKAGE_ROOT / path).read_bytes() for path in vendored_files()}
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(f"{path.as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    name = f"wwm_{digest.hexdigest()[:12]}"
    for path, content in contents.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return name


def _write_archive(directory: Path, archive: Path) -> None:
    """One top folder, files in order of their names, no times, no owners: the same content gives the same bytes."""
    with atomic_write(archive) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [directory, *sorted(directory.rglob("*"))]:
            entry = tarfile.TarInfo(path.relative_to(directory.parent).as_posix())
            entry.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with open(path, "rb") as source:
                    tar.addfile(entry, source if entry.size else io.BytesIO())
