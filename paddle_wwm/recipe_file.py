"""Read a PretrainRecipe from YAML and dotted overrides. Errors name the place and the rule; unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import types
import typing
from pathlib import Path
from typing import Any, Sequence

import yaml

from .config import PretrainRecipe
from .errors import ConfigError

PACKAGED = Path(__file__).resolve().parent / "recipes"
# Two ways to give one number. An override of one of them replaces the other.
ALTERNATIVES = {"num_steps": "num_epochs", "num_warmup_steps": "warmup_ratio"}
ALTERNATIVES |= {other: name for name, other in ALTERNATIVES.items()}
FOLDERS_OF_PACKAGED = (("scripts", "recipes"), (PACKAGED.parent.name, PACKAGED.name))


def find_recipe(name_or_path: str | Path) -> Path:
    """Return the path of a recipe: an existing file, or a packaged recipe by name.

    "small", "small.yaml" and "scripts/recipes/small.yaml" (the old place) name the same packaged recipe.

    Raises:
        ConfigError: No such recipe. The message lists the packaged recipes.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    packaged = PACKAGED / f"{path.name.removesuffix('.yaml')}.yaml"
    if (len(path.parts) == 1 or path.parent.parts[-2:] in FOLDERS_OF_PACKAGED) and packaged.is_file():
        return packaged
    near = difflib.get_close_matches(
        path.name.removesuffix(".yaml"), [item.stem for item in PACKAGED.glob("*.yaml")], n=1
    )
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"{path}: no such recipe; {hint}Give a YAML file that exists, or one of these names:\n{list_recipes()}"
    )


def list_recipes() -> str:
    """Return one line per packaged recipe: its name and its first comment line."""
    lines = []
    for path in sorted(PACKAGED.glob("*.yaml"), key=lambda path: path.stem):
        with open(path, encoding="utf-8") as stream:
            lines.append(f"  {path.stem:24}{stream.readline().lstrip('# ').rstrip()}")
    return "\n".join(lines)


def load_config(recipe: str | Path, *, overrides: Sequence[str] = ()) -> PretrainRecipe:
    """Read a recipe and apply overrides.

    Args:
        recipe: A file, or the name of a packaged recipe.
        overrides: Changes of the form key.path=value, for example phases.0.num_steps=100.

    Raises:
        ConfigError: The message names the file, the line, the rule and the known keys.
    """
    path = find_recipe(recipe)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}.") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise ConfigError(f"{path}: the recipe is empty.")
        for override in overrides:
            _apply_override(root, override)
        return _build(PretrainRecipe, root, where=str(path), key="")
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _apply_override(root: yaml.Node, override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(
            f"{override!r}: an override must have the form key.path=value, for example phases.0.num_steps=100."
        )
    try:
        value = yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("tag:yaml.org,2002:null", "null")
    except yaml.YAMLError as error:
        raise ConfigError(f"{override!r}: not valid YAML: {' '.join(str(error).split())}") from None
    _mark(value, override)
    node, parts = root, key.split(".")
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(node, yaml.SequenceNode):
            if not part.isdigit() or int(part) >= len(node.value):
                raise ConfigError(f"{override!r}: {part!r} must be an index from 0 to {len(node.value) - 1}.")
            if last:
                node.value[int(part)] = value
            node = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if last:
                node.value = [pair for pair in node.value if pair is not found]
            if last:
                node.value = [pair for pair in node.value if not _is_replaced(pair, by=part)]
            if last or found is None:
                key_node = yaml.ScalarNode("tag:yaml.org,2002:str", part)
                child = value if last else yaml.MappingNode("tag:yaml.org,2002:map", [])
                _mark(key_node, override)
                _mark(child, override)
                found = (key_node, child)
                node.value.append(found)
            node = found[1]
        else:
            raise ConfigError(f"{override!r}: {'.'.join(parts[:depth])} holds a value, not keys.")


def _is_replaced(pair: tuple[yaml.Node, yaml.Node], *, by: str) -> bool:
    """Return True for the other way to give the number, unless an override gave it."""
    return pair[0].value == ALTERNATIVES.get(by) and not hasattr(pair[1], "override")


def _mark(node: yaml.Node, override: str) -> None:
    node.override = override  # the origin of the value, for error messages
    for child in node.value if isinstance(node.value, list) else []:
        for part in child if isinstance(child, tuple) else (child,):
            _mark(part, override)


def _place(node: yaml.Node, where: str) -> str:
    if hasattr(node, "override"):
        return f"override {node.override!r}"
    return f"{where}, line {node.start_mark.line + 1}"


def _build(kind: type, node: yaml.Node, *, where: str, key: str) -> Any:
    """Convert a YAML node to a value of type `kind`. Errors name its place."""
    if isinstance(kind, types.UnionType):  # a value or None
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return None
        [kind] = [one for one in typing.get_args(kind) if one is not types.NoneType]
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, node, where=where, key=key)
    if typing.get_origin(kind) is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise ConfigError(f"{_place(node, where)}: `{key}` must be a list.")
        return tuple(
            _build(typing.get_args(kind)[0], child, where=where, key=f"{key}.{index}")
            for index, child in enumerate(node.value)
        )
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{_place(node, where)}: `{key}` must be a single value.")
    return _scalar(kind, node, where=where, key=key)


def _scalar(kind: type[Any], node: yaml.ScalarNode, *, where: str, key: str) -> Any:
    text = node.value
    try:
        if issubclass(kind, enum.Enum):
            return kind(text)
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        # YAML 1.1 reads 1e-4 as a string, so the type of the field decides
        return kind(text.replace("_", "")) if kind in (int, float) else kind(text)
    except (ValueError, KeyError):
        rules = {bool: "true or false", int: "a whole number", float: "a number"}
        allowed = " or ".join(item.value for item in kind) if issubclass(kind, enum.Enum) else rules[kind]
        raise ConfigError(f"{_place(node, where)}: `{key}` must be {allowed}, but is {text!r}.") from None


def _build_dataclass(kind: type, node: yaml.Node, *, where: str, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{_place(node, where)}: `{key or 'the recipe'}` must be a mapping of keys to values.")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        name = key_node.value if isinstance(key_node, yaml.ScalarNode) else "(not a name)"
        full = f"{key}.{name}" if key else name
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise ConfigError(f"{_place(key_node, where)}: unknown key `{full}`; {hint}known keys: {', '.join(hints)}.")
        if name in values:
            raise ConfigError(f"{_place(key_node, where)}: `{full}` is given twice.")
        values[name] = _build(hints[name], value_node, where=where, key=full)
    required = [
        item.name for item in dataclasses.fields(kind) if item.default is dataclasses.MISSING is item.default_factory
    ]
    if missing := [name for name in required if name not in values]:
        raise ConfigError(f"{_place(node, where)}: `{key or 'the recipe'}` lacks {', '.join(missing)}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{_place(node, where)}: {error}") from None
