"""Import rules between the subpackages ("rooms"), checked on the source code.

Each rule is also tested on sources that break it, so a rule that finds nothing by mistake fails.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "paddle_wwm"
# These import paddle inside functions: for LAC's own models, and for callers that request Paddle tensors.
PADDLE_ON_REQUEST = (f"{PACKAGE}/corpus/lac.py", f"{PACKAGE}/pretraining_data/masker.py")
DATA_ROOMS = ("corpus", "tokenization", "shards", "pretraining_data")
PADDLE = ("paddle", "paddlenlp", "paddlehub")
MAX_LINES, MAX_LINES_OF_A_HUB_MODULE, MAX_LINES_OF_A_SCRIPT = 300, 24, 12
CLI = f"{PACKAGE}.cli"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

SCRIPTS_TO_MOVE = ("scripts/evidence.py",)  # not a command of the package

MAX_REQUIRED_PARAMETERS = 8
# In the order of the data flow. A room imports only rooms before it.
ROOMS = (
    *("corpus", "tokenization", "shards", "pretraining_data"),
    *("compute", "weights", "model", "conversion", "variants", "download"),
    *("runs", "pretraining", "tasks", "datasets", "evaluation", "finetuning", "reports", "hub", "cli"),
)
COMPILERS = ("compiled", "numba.njit", "instruction")
COMPILED_WITHOUT_DECORATOR = (f"{PACKAGE}/corpus/lac_kernel.py: tag_texts",)

Sources = dict[str, str]  # path in the repository -> text


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement. `module` is absolute, also for a relative import."""

    module: str
    names: tuple[str, ...] = ()
    relative: bool = False
    in_function: bool = False
    in_main: bool = False  # below `if __name__ == "__main__":`
    line: int = 0

    @property
    def root(self):
        return self.module.partition(".")[0]

    @property
    def targets(self):
        """Modules that may be imported: `from a import b` may import a.b."""
        return (self.module, *(f"{self.module}.{name}" for name in self.names))


def imports_of(path: str, source: str) -> Iterator[Import]:
    package = path.removesuffix(".py").split("/")[:-1]

    def walk(node, in_function, in_main):
        common = {"in_function": in_function, "in_main": in_main, "line": getattr(node, "lineno", 0)}
        match node:
            case ast.Import():
                yield from (Import(module=alias.name, **common) for alias in node.names)
            case ast.ImportFrom():
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                yield Import(
                    module=module, names=tuple(alias.name for alias in node.names), relative=bool(node.level), **common
                )
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(module=module, **common)
        for child in ast.iter_child_nodes(node):
            main_only = in_main or (isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'")
            yield from walk(child, in_function or isinstance(node, FUNCTIONS), main_only)

    return walk(ast.parse(source), False, False)


def reached_from(start: list[str], sources: Sources) -> list[str]:
    """Return the given files, all project files that they import (also indirectly), and their packages."""
    found, waiting = set(), list(start)
    while waiting:
        path = waiting.pop()
        if path in found or path not in sources:
            continue
        found.add(path)
        targets = [target.replace(".", "/") for one in imports_of(path, sources[path]) for target in one.targets]
        folders = [str(parent) for target in [path, *targets] for parent in Path(target).parents]
        waiting += [f"{target}.py" for target in targets] + [f"{folder}/__init__.py" for folder in targets + folders]
    return sorted(found)


def places(paths, sources, is_forbidden) -> list[str]:
    return [
        f"{path}:{one.line}" for path in paths for one in imports_of(path, sources[path]) if is_forbidden(path, one)
    ]


def in_room(path, *rooms):
    return any(path.startswith(f"{PACKAGE}/{room}/") for room in rooms)


def paddle_where_data_is_made(sources: Sources) -> list[str]:
    """Find imports of paddle in the data rooms and everything they import.

    Functions in the files of PADDLE_ON_REQUEST may import it.
    """
    paths = reached_from([path for path in sources if in_room(path, *DATA_ROOMS)], sources)
    return places(
        paths,
        sources,
        lambda path, one: one.root in PADDLE and not (path in PADDLE_ON_REQUEST and one.in_function),
    )


def paddle_distributed_outside_fleet(sources: Sources) -> list[str]:
    """Find uses of paddle.distributed outside runs/fleet.py, by import or as an attribute."""
    paths = [path for path in sources if path != f"{PACKAGE}/runs/fleet.py"]
    found = places(
        paths, sources, lambda path, one: any(f"{target}.".startswith("paddle.distributed.") for target in one.targets)
    )
    for path in paths:
        for node in ast.walk(ast.parse(sources[path])):
            match node:
                case ast.Attribute(value=ast.Name(id="paddle"), attr="distributed"):
                    found.append(f"{path}:{node.lineno}")
    return found


def tasks_in_pretraining(sources: Sources) -> list[str]:
    """Find task files that runs or pretraining import, directly or indirectly."""
    paths = reached_from([path for path in sources if in_room(path, "runs", "pretraining")], sources)
    return [path for path in paths if in_room(path, "tasks", "finetuning")]


def pretraining_in_runs(sources: Sources) -> list[str]:
    """Find pretraining and fine-tuning files that runs/, which both share, imports."""
    paths = reached_from([path for path in sources if in_room(path, "runs")], sources)
    return [path for path in paths if in_room(path, "pretraining", "finetuning")]


# other rooms that each of these rooms may import
BELOW = {
    "weights": (),
    "compute": (),
    "model": ("weights", "compute", "tokenization"),
    "conversion": ("weights", "model", "tokenization"),
}


def models_that_reach_up(sources: Sources) -> list[str]:
    """Find imports of other rooms than BELOW allows."""

    def reaches_up(path: str, one: Import) -> bool:
        room, parts = path.split("/")[1], one.module.split(".")
        rooms = [name for name in (parts[1:2] or one.names) if f"{PACKAGE}/{name}.py" not in sources]
        return parts[0] == PACKAGE and any(name not in (room, *BELOW[room]) for name in rooms)

    return places([path for path in sources if in_room(path, *BELOW)], sources, reaches_up)


def one_kind_of_run_in_another(sources: Sources) -> list[str]:
    """Find imports between pretraining and fine-tuning; they share only runs/."""
    found = []
    for room, other in (("pretraining", "finetuning"), ("finetuning", "pretraining")):
        paths = reached_from([path for path in sources if in_room(path, room)], sources)
        found += [path for path in paths if in_room(path, other)]
    return found


def scripts_that_are_no_shims(sources: Sources) -> list[str]:
    """Find scripts that do more than call a command of paddle_wwm.cli."""
    scripts = [path for path in sources if path.startswith("scripts/") and path not in SCRIPTS_TO_MOVE]
    allowed = {"sys", "pathlib", f"{CLI}.main"}
    found = places(scripts, sources, lambda path, one: one.relative or one.module not in allowed)
    return found + [path for path in scripts if num_lines(sources[path]) > MAX_LINES_OF_A_SCRIPT]


def commands_in_the_library(sources: Sources) -> list[str]:
    """Find library files that import commands.

    A __main__.py and the code below `if __name__ == "__main__":` may call a command.
    """
    paths = [
        path
        for path in sources
        if path.startswith(f"{PACKAGE}/") and not in_room(path, "cli") and Path(path).name != "__main__.py"
    ]
    return places(
        paths,
        sources,
        lambda path, one: not one.in_main and any(f"{target}.".startswith(f"{CLI}.") for target in one.targets),
    )


def heavy_imports_at_the_top_of_commands(sources: Sources) -> list[str]:
    """Find heavy imports at the top of command files, so that --help is fast.

    Only the standard library, errors.py, version.py and the room cli are allowed.
    """
    light = {f"{PACKAGE}.errors", f"{PACKAGE}.version"}

    def is_heavy(path, one):
        if one.in_function or (one.root in sys.stdlib_module_names):
            return False
        return one.module not in light and not f"{one.module}.".startswith(f"{CLI}.")

    found = []
    for path in sources:
        if in_room(path, "cli"):
            typing_only = {
                child.lineno
                for node in ast.walk(ast.parse(sources[path]))
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                for child in node.body
            }
            found += [
                f"{path}:{one.line}"
                for one in imports_of(path, sources[path])
                if is_heavy(path, one) and one.line not in typing_only
            ]
    return found


def absolute_imports_in_what_a_hub_module_takes_along(sources: Sources) -> list[str]:
    """Find absolute imports in files of a hub module.

    The builder copies these files into a package of another name, so they must import each other relatively.
    """
    paths = reached_from([f"{PACKAGE}/hub/__init__.py"], sources)
    return places(paths, sources, lambda path, one: one.root == PACKAGE and not one.relative)


def more_than_the_one_import_in_hub_modules(sources: Sources) -> list[str]:
    """Find hub modules that are long or import more of this package than BertHubModule.

    They must contain the exact import line that the builder rewrites.
    """
    paths = [path for path in sources if path.startswith("hub_modules/")]
    found = places(
        paths,
        sources,
        lambda path, one: (
            one.relative or (one.root == PACKAGE and one.targets[1:] != (f"{PACKAGE}.hub.BertHubModule",))
        ),
    )
    line = f"from {PACKAGE}.hub import BertHubModule"
    return found + [
        path
        for path in paths
        if sources[path].splitlines().count(line) != 1 or num_lines(sources[path]) > MAX_LINES_OF_A_HUB_MODULE
    ]


def files_that_are_too_long(sources: Sources) -> list[str]:
    """Find files with more than 300 lines."""
    return [
        path
        for path in sources
        if path.startswith((f"{PACKAGE}/", "experiments/")) and num_lines(sources[path]) > MAX_LINES
    ]


def experiments_in_the_package(sources: Sources) -> list[str]:
    """Find imports of experiments in the package and in scripts."""
    paths = [path for path in sources if not path.startswith("experiments/")]
    return places(paths, sources, lambda path, one: one.root == "experiments")


def private_names_in_experiments(sources: Sources) -> list[str]:
    """Find imports of private names of the package in experiments."""
    paths = [path for path in sources if path.startswith("experiments/")]

    def is_private(path: str, one: Import) -> bool:
        parts = [part for target in one.targets for part in target.split(".")]
        return one.root == PACKAGE and any(part.startswith("_") for part in parts)

    return places(paths, sources, is_private)


def rooms_against_the_order(sources: Sources) -> list[str]:
    """Find imports of a later room in ROOMS, and imports of rooms by files outside of rooms."""
    found = []
    for path in sources:
        room = room_of(path)
        for one in imports_of(path, sources[path]) if path.startswith(f"{PACKAGE}/") else ():
            if one.in_main:
                continue  # a command
            for target in {room_of(f"{name.replace('.', '/')}.py") for name in one.targets if one.root == PACKAGE}:
                if target is not None and target != room and (room is None or ROOMS.index(target) > ROOMS.index(room)):
                    found.append(f"{path}:{one.line}")
    return found


def room_of(path: str) -> str | None:
    """Return the room of a file; None for a file directly in the package. A __main__.py is a command."""
    parts = Path(path).parts
    if parts[-1] == "__main__.py" or path.removesuffix(".py") == f"{PACKAGE}/cli":
        return "cli"
    name = parts[1].removesuffix(".py") if len(parts) > 1 and parts[0] == PACKAGE else None
    return name if name in ROOMS else None


def drawn_rooms(sources: Sources) -> str:
    """Return the rooms in order, each with the rooms that it imports."""
    lines = []
    for room in ROOMS:
        paths = [path for path in sources if room_of(path) == room and Path(path).name != "__main__.py"]
        names = {name for path in paths for one in imports_of(path, sources[path]) for name in one.targets}
        imported = {room_of(f"{name.replace('.', '/')}.py") for name in names if name.startswith(f"{PACKAGE}.")}
        order = [other for other in ROOMS if other in imported - {room}]
        lines.append(f"{room:<18}{'← ' if order else ''}{', '.join(order)}".rstrip())
    return "\n".join(lines)


def circles_of_files(sources: Sources) -> list[str]:
    """Find circular imports, also indirect ones, inside functions or for type checkers only.

    `from .x import y` imports the file of x, or the file of y if x is a package that contains y.
    """
    return [" <-> ".join(circle) for circle in circles(imports_between_files(sources))]


def imports_between_files(sources: Sources) -> dict[str, set[str]]:
    files = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    graph: dict[str, set[str]] = {path: set() for path in sources}
    for path in sources:
        for one in imports_of(path, sources[path]):
            submodules = {f"{one.module}.{name}" for name in one.names} & files.keys()
            modules = submodules if len(submodules) == len(one.names) > 0 else {one.module, *submodules}
            graph[path] |= {files[module] for module in modules if module in files}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node or with a self-loop, sorted."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        waiting, found = list(graph[start]), set()
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += graph[node]
        reached[start] = found
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached[other]))
        for node in graph
        if node in reached[node]
    }
    return sorted(map(list, groups))


def functions_with_many_parameters(sources: Sources) -> list[str]:
    """Find functions with more than 8 required parameters, except compiled loops and PyLayers."""
    found = []
    for path, source in sources.items():
        tree = ast.parse(source)
        layers = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and is_py_layer(node)]
        excepted = {id(child) for layer in layers for child in ast.walk(layer)}
        found += [
            f"{path}: {node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and id(node) not in excepted
            and not is_compiled(node)
            and num_required(node.args) > MAX_REQUIRED_PARAMETERS
        ]
    return [place for place in found if place not in COMPILED_WITHOUT_DECORATOR]


def is_py_layer(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("PyLayer") for base in node.bases)


def is_compiled(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).startswith(COMPILERS) for decorator in node.decorator_list)


def num_required(arguments: ast.arguments) -> int:
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    without_default = positional[: len(positional) - len(arguments.defaults)]
    of_object = without_default[:1] in (["self"], ["cls"])
    return len(without_default) - of_object + sum(default is None for default in arguments.kw_defaults)


def num_lines(text):
    return len(text.splitlines())


HUB_MODULE = "hub_modules/x/module.py"
GOOD_LINE = "from paddle_wwm.hub import BertHubModule\n"
BREACHES = [
    (
        models_that_reach_up,
        {"paddle_wwm/weights/x.py": "import os\nfrom ..model.y import z\n"},
        ["paddle_wwm/weights/x.py:2"],
    ),
    (models_that_reach_up, {"paddle_wwm/compute/x.py": "from ..model import y\n"}, ["paddle_wwm/compute/x.py:1"]),
    (
        models_that_reach_up,
        {"paddle_wwm/model/x.py": "def f():\n    from ..conversion import y\n"},
        ["paddle_wwm/model/x.py:2"],
    ),
    (models_that_reach_up, {"paddle_wwm/model/x.py": "from .. import hub\n"}, ["paddle_wwm/model/x.py:1"]),
    (paddle_where_data_is_made, {"paddle_wwm/corpus/x.py": "import os\nimport paddle\n"}, ["paddle_wwm/corpus/x.py:2"]),
    (
        paddle_where_data_is_made,
        {"paddle_wwm/shards/x.py": "def f():\n    from paddle.io import Dataset\n"},
        ["paddle_wwm/shards/x.py:2"],
    ),
    (
        paddle_where_data_is_made,
        {"paddle_wwm/tokenization/x.py": "if 1:\n    import os, paddlenlp.data as d\n"},
        ["paddle_wwm/tokenization/x.py:2"],
    ),
    (
        paddle_where_data_is_made,
        {"paddle_wwm/pretraining_data/x.py": "f = lambda: __import__('paddle')\n"},
        ["paddle_wwm/pretraining_data/x.py:1"],
    ),
    (
        paddle_where_data_is_made,
        {"paddle_wwm/corpus/lac.py": "import paddle\ndef f():\n    import paddle.base\n"},
        ["paddle_wwm/corpus/lac.py:1"],
    ),
    (
        paddle_where_data_is_made,
        {
            "paddle_wwm/shards/x.py": "from .. import files\n",
            "paddle_wwm/files.py": "from .model import y\n",
            "paddle_wwm/model/__init__.py": "import paddle",
        },
        ["paddle_wwm/model/__init__.py:1"],
    ),
    (
        paddle_distributed_outside_fleet,
        {"paddle_wwm/pretraining/x.py": "import paddle.distributed as dist\n"},
        ["paddle_wwm/pretraining/x.py:1"],
    ),
    (
        paddle_distributed_outside_fleet,
        {"paddle_wwm/model/x.py": "def f():\n    from paddle import distributed\n"},
        ["paddle_wwm/model/x.py:2"],
    ),
    (
        paddle_distributed_outside_fleet,
        {"scripts/x.py": "from paddle.distributed.fleet import utils\n"},
        ["scripts/x.py:1"],
    ),
    (
        paddle_distributed_outside_fleet,
        {"paddle_wwm/x.py": "import paddle\npaddle.distributed.barrier()\n"},
        ["paddle_wwm/x.py:2"],
    ),
    (
        pretraining_in_runs,
        {"paddle_wwm/runs/x.py": "from ..pretraining import y\n", "paddle_wwm/pretraining/y.py": ""},
        ["paddle_wwm/pretraining/y.py"],
    ),
    (
        pretraining_in_runs,
        {"paddle_wwm/runs/x.py": "def f():\n    from ..finetuning import y\n", "paddle_wwm/finetuning/y.py": ""},
        ["paddle_wwm/finetuning/y.py"],
    ),
    (
        one_kind_of_run_in_another,
        {"paddle_wwm/finetuning/x.py": "from ..pretraining import y\n", "paddle_wwm/pretraining/y.py": ""},
        ["paddle_wwm/pretraining/y.py"],
    ),
    (
        one_kind_of_run_in_another,
        {"paddle_wwm/pretraining/x.py": "from ..finetuning import y\n", "paddle_wwm/finetuning/y.py": ""},
        ["paddle_wwm/finetuning/y.py"],
    ),
    (
        tasks_in_pretraining,
        {"paddle_wwm/pretraining/x.py": "from ..tasks import y\n", "paddle_wwm/tasks/y.py": ""},
        ["paddle_wwm/tasks/y.py"],
    ),
    (
        tasks_in_pretraining,
        {
            "paddle_wwm/pretraining/x.py": "def f():\n    from ..model.y import z\n",
            "paddle_wwm/model/y.py": "import paddle_wwm.tasks.t",
            "paddle_wwm/tasks/t.py": "",
        },
        ["paddle_wwm/tasks/t.py"],
    ),
    (scripts_that_are_no_shims, {"scripts/a.py": "import b\n", "scripts/b.py": ""}, ["scripts/a.py:1"]),
    (
        scripts_that_are_no_shims,
        {"scripts/a.py": "def f():\n    from paddle_wwm.model import bert\n"},
        ["scripts/a.py:2"],
    ),
    (scripts_that_are_no_shims, {"scripts/a.py": "from . import b\n"}, ["scripts/a.py:1"]),
    (scripts_that_are_no_shims, {"scripts/a.py": "import sys\n" + "x = 1\n" * 12}, ["scripts/a.py"]),
    (commands_in_the_library, {"paddle_wwm/model/x.py": "from ..cli import main\n"}, ["paddle_wwm/model/x.py:1"]),
    (
        commands_in_the_library,
        {"paddle_wwm/x.py": "def f():\n    from .cli.main import main\n"},
        ["paddle_wwm/x.py:2"],
    ),
    (
        heavy_imports_at_the_top_of_commands,
        {"paddle_wwm/cli/x.py": "import argparse\nfrom ..errors import ConfigError\nfrom ..config import A\n"},
        ["paddle_wwm/cli/x.py:3"],
    ),
    (heavy_imports_at_the_top_of_commands, {"paddle_wwm/cli/x.py": "import numpy\n"}, ["paddle_wwm/cli/x.py:1"]),
    (
        absolute_imports_in_what_a_hub_module_takes_along,
        {
            "paddle_wwm/hub/__init__.py": "from .module import M\n",
            "paddle_wwm/hub/module.py": "from ..x import y\n",
            "paddle_wwm/x.py": "import paddle_wwm.z\n",
        },
        ["paddle_wwm/x.py:1"],
    ),
    (
        more_than_the_one_import_in_hub_modules,
        {HUB_MODULE: GOOD_LINE + "from paddle_wwm.model import bert\n"},
        [f"{HUB_MODULE}:2"],
    ),
    (
        more_than_the_one_import_in_hub_modules,
        {HUB_MODULE: GOOD_LINE + "from paddle_wwm.hub import BertHubModule, build\n"},
        [f"{HUB_MODULE}:2"],
    ),
    (
        more_than_the_one_import_in_hub_modules,
        {HUB_MODULE: GOOD_LINE + "from .helpers import x\n"},
        [f"{HUB_MODULE}:2"],
    ),
    (
        more_than_the_one_import_in_hub_modules,
        {HUB_MODULE: "from paddle_wwm.hub import BertHubModule as Base\n"},
        [HUB_MODULE],
    ),
    (more_than_the_one_import_in_hub_modules, {HUB_MODULE: GOOD_LINE + "\n" * 24}, [HUB_MODULE]),
    (
        files_that_are_too_long,
        {"paddle_wwm/x.py": "x = 1\n" * 301, "paddle_wwm/y.py": "x = 1\n" * 300},
        ["paddle_wwm/x.py"],
    ),
    (files_that_are_too_long, {"experiments/a/x.py": "x = 1\n" * 301}, ["experiments/a/x.py"]),
    (
        circles_of_files,
        {
            "paddle_wwm/a/x.py": "def f():\n    from .y import z\n",
            "paddle_wwm/a/y.py": "from ..b import w\n",
            "paddle_wwm/b/w.py": "if TYPE_CHECKING:\n    import paddle_wwm.a.x\n",
            "paddle_wwm/b/__init__.py": "from .w import v\n",
        },
        ["paddle_wwm/a/x.py <-> paddle_wwm/a/y.py <-> paddle_wwm/b/w.py"],
    ),
    (
        circles_of_files,
        {"paddle_wwm/a/__init__.py": "from .x import y\n", "paddle_wwm/a/x.py": "from . import y\n"},
        ["paddle_wwm/a/__init__.py <-> paddle_wwm/a/x.py"],
    ),
    (circles_of_files, {"paddle_wwm/x.py": "from .x import y\n"}, ["paddle_wwm/x.py"]),
    (
        functions_with_many_parameters,
        {"paddle_wwm/x.py": "class A:\n    def f(self, a, b, c, d, *, e, f, g=1, h, i, j):\n        pass\n"},
        ["paddle_wwm/x.py: f"],
    ),
    (
        experiments_in_the_package,
        {"paddle_wwm/x.py": "def f():\n    from experiments.evidence import plan\n"},
        ["paddle_wwm/x.py:2"],
    ),
    (
        private_names_in_experiments,
        {"experiments/a/x.py": "from paddle_wwm.files import atomic_write\nfrom paddle_wwm.files import _fsync\n"},
        ["experiments/a/x.py:2"],
    ),
    (
        private_names_in_experiments,
        {"experiments/x.py": "import os\nimport paddle_wwm._x\n"},
        ["experiments/x.py:2"],
    ),
]
BREACHES += [
    (
        rooms_against_the_order,
        {"paddle_wwm/weights/x.py": "def f():\n    from ..model.bert import y\n", "paddle_wwm/hub/__main__.py": ""},
        ["paddle_wwm/weights/x.py:2"],
    ),
    (rooms_against_the_order, {"paddle_wwm/files.py": "from .corpus import x\n"}, ["paddle_wwm/files.py:1"]),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in BREACHES))


@pytest.fixture(scope="module")
def repository():
    patterns = (f"{PACKAGE}/**/*.py", "experiments/**/*.py", "scripts/*.py", "hub_modules/*/module.py")
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_follows_the_rule(rule, repository):
    assert rule(repository) == []


@pytest.mark.parametrize(
    ("rule", "sources", "expected"),
    BREACHES,
    ids=[f"{rule.__name__}-{number}" for number, (rule, *_) in enumerate(BREACHES)],
)
def test_a_violation_is_found_at_its_line(rule, sources, expected):
    assert rule(sources) == expected


def test_allowed_imports_are_not_reported():
    allowed = {
        "paddle_wwm/corpus/lac.py": "import importlib\ndef f():\n    from paddle import inference\n",
        "paddle_wwm/files.py": "",
        "paddle_wwm/model/x.py": "import paddle\nimport paddle.nn as nn\nfrom ..files import y\n",
        "paddle_wwm/conversion/x.py": "from ..model.y import z\nfrom ..weights import z\n",
        "paddle_wwm/runs/fleet.py": (
            "def f():\n    from paddle.distributed import fleet\n    paddle.distributed.barrier()\n"
        ),
        "paddle_wwm/pretraining/loop.py": "from .fleet import x\nfrom ..corpus import lac\n",
        "paddle_wwm/hub/__init__.py": "from ..model import x\n",
        "paddle_wwm/tasks/x.py": "from ..pretraining import loop\n",
        "scripts/a.py": "import sys\nfrom paddle_wwm.cli.main import main\n",
        "paddle_wwm/cli/x.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..model import x\n"
        "def f():\n    from ..model import x\nfrom .main import main\n",
        "paddle_wwm/tasks/__main__.py": "from ..cli.main import main\n",
        "paddle_wwm/y.py": "if __name__ == '__main__':\n    from .cli.main import main\n",
        "experiments/a/x.py": "from paddle_wwm.pretraining import loop\nfrom . import plan\n",
        "paddle_wwm/b/__init__.py": "from .x import a\n",
        "paddle_wwm/b/x.py": "from .y import b\nfrom . import y\n",
        "paddle_wwm/b/y.py": "def f(a, b, c, d, e, f, g, h, i=1, *args, j=2, **rest):\n    pass\n"
        "@compiled(nogil=True)\ndef g(a, b, c, d, e, f, g, h, i):\n    pass\n"
        "class L(PyLayer):\n    def forward(ctx, a, b, c, d, e, f, g, h, i):\n        pass\n",
        HUB_MODULE: "from paddlehub.module.module import moduleinfo\n" + GOOD_LINE,
    }
    assert [rule(allowed) for rule in RULES] == [[]] * len(RULES)


def test_the_repository_fixture_contains_the_sources(repository):
    assert {"paddle_wwm/corpus/lac.py", "paddle_wwm/runs/fleet.py", "scripts/pretrain.py"} < repository.keys()
    assert sum(path.startswith("hub_modules/") for path in repository) >= 1
    assert "paddle_wwm/errors.py" in reached_from(["paddle_wwm/hub/__init__.py"], repository)


def test_every_subpackage_is_listed_in_rooms():
    folders = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    assert folders == set(ROOMS)


def test_the_docs_show_the_order_of_the_rooms(repository):
    page = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")
    assert f"```text\n{drawn_rooms(repository)}\n```" in page
