"""Concepts: what a label stands for, shared by tasks (§3.4: their output nodes are one).

A label is its own concept unless it is declared to be another's. Tasks of one namespace join where
their concepts are equal. In full a concept is written `namespace:name`, in the default namespace
`name`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pathways.errors import DataError, PathwaysError
from pathways.ids import check_task_name

_NAMED = 10  # labels or concepts that an error names at most


def check_concepts(concepts: Mapping[str, str], namespace: str) -> None:
    """What can be told without a task's labels; raises DataError."""
    if namespace:
        try:
            check_task_name(namespace)
        except PathwaysError as error:
            raise DataError(
                f"{namespace!r} cannot name a namespace of concepts; use a-z, 0-9, '.', '_' and '-'"
            ) from error
    for label, concept in concepts.items():
        if not (isinstance(label, str) and isinstance(concept, str) and concept):
            raise DataError(
                f"concepts map a label to a name, both text; got {label!r}: {concept!r}"
            )


def full_names(
    labels: Iterable[str], concepts: Mapping[str, str], namespace: str
) -> tuple[str, ...]:
    """The concept of each label in full.

    Raises DataError if `concepts` names a label that is not there, or makes two labels one concept.
    """
    listed = tuple(labels)
    if unknown := sorted(set(concepts) - set(listed)):
        raise DataError(
            f"the concepts name a label {unknown[0]!r} that the task does not have; it has "
            f"{some(listed)}"
        )
    named: dict[str, str] = {}
    for label in listed:
        name = concepts.get(label, label)
        if name in named:
            raise DataError(
                f"labels {named[name]!r} and {label!r} of one task would both be concept {name!r}; "
                "give each a concept of its own"
            )
        named[name] = label
    return tuple(full_name(name, namespace) for name in named)


def full_name(name: str, namespace: str) -> str:
    """A concept as it is compared."""
    return f"{namespace}:{name}" if namespace else name


def plain_name(concept: str, namespace: str) -> str:
    """A concept as it is shown: its name without the namespace."""
    return concept.removeprefix(f"{namespace}:") if namespace else concept


def check_known(concepts: Mapping[str, str], namespace: str, known: Collection[str]) -> None:
    """Every declared concept must be some task's already, or a slip of the pen would pass.

    known: concepts in full. Raises DataError.
    """
    for label, name in concepts.items():
        if label != name and full_name(name, namespace) not in known:
            prefix = full_name("", namespace)
            there = sorted(c.removeprefix(prefix) for c in known if c.startswith(prefix))
            where = f"namespace {namespace!r}" if namespace else "the default namespace"
            raise DataError(
                f"no task in service has the concept {name!r} in {where}, to which label {label!r} "
                f"is mapped; it has {some(there)}. Learn a task with a label of that name first"
            )


def some(names: Collection[str]) -> str:
    """Names for people, but not thousands of them."""
    listed = list(names)
    more = len(listed) - _NAMED
    return (", ".join(listed[:_NAMED]) or "none yet") + (
        f", … and {more:,} more" if more > 0 else ""
    )
