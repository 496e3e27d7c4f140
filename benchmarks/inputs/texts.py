"""Real text that everybody has who can run this: the documentation in installed libraries.

Each task tells the parts of one library apart by passages of their documentation. Which words there
are depends on the libraries' versions, which are written beside the result.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

import numpy as np

from benchmarks.inputs.splits import Split
from pathways import TaskData, text_signature

TOKENS, VOCABULARY = 64, 5_000
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "scipy": ("stats", "signal", "sparse", "optimize", "ndimage"),
    "numpy": ("linalg", "random", "fft", "ma"),
    "torch": ("nn", "optim", "distributions"),
}
"""Task → the parts of its library."""

_LEAST_WORDS = 20
_PASSAGES = 6  # of one piece of documentation, at most
_TEST_EVERY = 4
_OTHER = 1  # the id of every word that is not in the vocabulary; 0 is padding
_WORD = re.compile(r"[a-z][a-z_]+")

_Pieces = dict[str, list[list[str]]]
"""Part of a library → the words of each piece of its documentation."""


def texts() -> dict[str, Split]:
    """Task → (train, test); no piece of documentation is in both, and no passage."""
    pieces = {
        library: {part: _pieces(f"{library}.{part}") for part in parts}
        for library, parts in LIBRARIES.items()
    }
    ids = _vocabulary(pieces.values())
    return {task: _split(of_parts, ids) for task, of_parts in pieces.items()}


def _pieces(module_name: str) -> list[list[str]]:
    """The words of what is documented in a module, each once, in the order of names."""
    module = import_module(module_name)
    documented = {
        doc: None
        for name in sorted(dir(module))
        if not name.startswith("_") and (doc := inspect.getdoc(getattr(module, name)))
    }
    words = (_WORD.findall(doc.lower()) for doc in documented)
    return [found for found in words if len(found) >= _LEAST_WORDS]


def _vocabulary(tasks: Iterable[_Pieces]) -> dict[str, int]:
    """Word → id, of the most frequent words; fixed beforehand, as tokenisers are."""
    counts = Counter(
        word for parts in tasks for pieces in parts.values() for piece in pieces for word in piece
    )
    kept = [word for word, _ in counts.most_common(VOCABULARY - _OTHER - 1)]
    return {word: place for place, word in enumerate(kept, start=_OTHER + 1)}


def _split(parts: _Pieces, ids: Mapping[str, int]) -> Split:
    """Every fourth piece of documentation is for the test. Some are written from one template, so
    each passage counts once, where it comes first."""
    rows: dict[bool, list[tuple[int, ...]]] = {False: [], True: []}
    y: dict[bool, list[int]] = {False: [], True: []}
    seen: set[tuple[int, ...]] = set()
    for label, pieces in enumerate(parts.values()):
        for place, piece in enumerate(pieces):
            test = place % _TEST_EVERY == 0
            passages = _passages([ids.get(word, _OTHER) for word in piece])
            new = [passage for passage in passages if passage not in seen]
            seen.update(new)
            rows[test] += new
            y[test] += [label] * len(new)
    made = [_data(rows[test], y[test], tuple(parts)) for test in (False, True)]
    return made[0], made[1]


def _data(rows: Sequence[tuple[int, ...]], y: Sequence[int], labels: tuple[str, ...]) -> TaskData:
    return TaskData(
        x=np.array(rows, np.int32),
        y=np.array(y, np.int64),
        labels=labels,
        signature=text_signature(TOKENS, VOCABULARY),
    )


def _passages(ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Runs of words, the last one padded with 0."""
    starts = range(0, min(len(ids), _PASSAGES * TOKENS), TOKENS)
    runs = [list(ids[start : start + TOKENS]) for start in starts]
    return [(*run, *[0] * (TOKENS - len(run))) for run in runs if len(run) >= _LEAST_WORDS]
