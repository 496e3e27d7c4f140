"""The rooms of DESIGN: who may import whom, and that nobody unpickles files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("pathways", "dispatcher", "cluster", "deploy")

MUST_NOT_IMPORT = {
    "pathways": {"ray", "fastapi", "typer", "dispatcher", "cluster", "deploy"},
    "dispatcher": {"ray", "fastapi", "typer", "pathways", "cluster", "deploy"},
    "cluster": {"ray.serve", "fastapi", "typer", "deploy"},
    "deploy": set[str](),
}
UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
LOADERS = {"torch.load", "pandas.read_pickle"}


@dataclass(frozen=True)
class Module:
    """One parsed module."""

    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.partition("/")[0]

    def imports(self) -> Iterator[tuple[str, str]]:
        """(name in the module, dotted name it stands for) of every import, wherever it is."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((a.asname or a.name, f"{base}.{a.name}") for a in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        package = self.name.split("/")[: -node.level] if node.level else []
        return ".".join([*package, *filter(None, [node.module])])

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """(dotted name, call) of every call."""
        stands_for = {name: dotted for name, dotted in self.imports() if "." not in name}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                first, *rest = ast.unparse(node.func).split(".")
                yield ".".join([stands_for.get(first, first), *rest]), node


def read(path: Path) -> Module:
    return Module(
        path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"), str(path))
    )


MODULES = [read(path) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def within(dotted: str, modules: set[str]) -> bool:
    return any(dotted == module or dotted.startswith(f"{module}.") for module in modules)


def unpickling(module: Module) -> list[str]:
    """Imports and calls that may run code from a file."""
    found = [dotted for _, dotted in module.imports() if within(dotted, UNPICKLERS)]
    for dotted, call in module.calls():
        allowing = [k for k in call.keywords if k.arg == "allow_pickle"]
        if dotted in LOADERS or any(ast.unparse(k.value) != "False" for k in allowing):
            found.append(ast.unparse(call))
    return found


def test_every_room_has_modules() -> None:
    assert {module.room for module in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    broken = [
        (module.name, dotted)
        for module in MODULES
        if module.room == room
        for _, dotted in module.imports()
        if within(dotted, MUST_NOT_IMPORT[room])
    ]
    assert not broken


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_never_unpickles(room: str) -> None:
    found = {module.name: unpickling(module) for module in MODULES if module.room == room}
    assert not {name: what for name, what in found.items() if what}


def test_the_walk_sees_every_way_to_import() -> None:
    source = """
import ray.serve, numpy as np
from ray import serve as s
from .store import Store
from . import names
def f():
    import typer
"""
    module = Module("cluster/imagined.py", ast.parse(source))
    assert {dotted for _, dotted in module.imports()} == {
        "ray.serve",
        "numpy",
        "cluster.store.Store",
        "cluster.names",
        "typer",
    }


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import loads",
        "def f():\n    from joblib import load",
        "import torch as t\nt.load(body)",
        "from torch import load\nload(body)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=flag)",
    ],
)
def test_the_walk_sees_every_way_to_unpickle(source: str) -> None:
    assert unpickling(Module("cluster/imagined.py", ast.parse(source)))


def test_safetensors_and_plain_arrays_may_be_loaded() -> None:
    source = "import safetensors.torch\nsafetensors.torch.load(b)\nnp.load(p, allow_pickle=False)"
    assert not unpickling(Module("cluster/imagined.py", ast.parse(source)))
