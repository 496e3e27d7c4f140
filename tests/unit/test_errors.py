"""The error trees: drawn as they are, and alive after the way between processes."""

from __future__ import annotations

import pickle
import re
from types import ModuleType

import pytest
from ray.exceptions import RayTaskError

from cluster import errors as cluster_errors
from cluster.errors import SenError, UnknownTask, user_message
from dispatcher import errors as dispatcher_errors
from dispatcher.errors import DispatcherError
from pathways import errors as pathways_errors
from pathways.errors import PathwaysError

MODULES = (pathways_errors, dispatcher_errors, cluster_errors)


def errors_in(module: ModuleType) -> list[type[Exception]]:
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [kind for kind in found if issubclass(kind, Exception)]


ERRORS = [kind for module in MODULES for kind in errors_in(module)]


def drawn(module: ModuleType) -> dict[str, str | None]:
    """Class → parent, as the tree at the top of the file draws them: by indentation."""
    lines = re.findall(r"^([ │├└─]*)([A-Z]\w+)(?: +\w| \()", module.__doc__ or "", re.MULTILINE)
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for indent, name in lines:
        above = [(depth, other) for depth, other in above if depth < len(indent)]
        parents[name] = above[-1][1] if above else None
        above.append((len(indent), name))
    return parents


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_survives_pickling(kind: type[Exception]) -> None:
    error = pickle.loads(pickle.dumps(kind("digits@1: found 3, wanted 4")))
    assert type(error) is kind
    assert str(error) == "digits@1: found 3, wanted 4"


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_of_the_value_error_family(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)
    assert issubclass(kind, PathwaysError | DispatcherError | SenError)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_what_it_stands_for(kind: type[Exception]) -> None:
    assert kind.__doc__


@pytest.mark.parametrize("module", MODULES)
def test_the_tree_at_the_top_of_the_file_is_the_real_one(module: ModuleType) -> None:
    kinds = errors_in(module)
    known = {kind.__name__ for kind in kinds}
    parents = {kind.__name__: kind.__bases__[0].__name__ for kind in kinds}
    real = {name: parent if parent in known else None for name, parent in parents.items()}
    assert {name: parent for name, parent in drawn(module).items() if name in known} == real


def test_the_user_reads_the_cause_without_the_traceback_around_it() -> None:
    inner = UnknownTask("no task is called 'x'")
    wrapped = RayTaskError("predict", "Traceback …", inner).as_instanceof_cause()
    assert isinstance(wrapped, UnknownTask)
    assert str(wrapped) != user_message(wrapped) == "no task is called 'x'"
    assert user_message(inner) == "no task is called 'x'"
