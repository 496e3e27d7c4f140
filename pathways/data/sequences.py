"""Token sequences: arrays of ids checked, and fitted to a signature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.errors import DataError, SignatureError
from pathways.signature import MAX_VOCABULARY, Signature

_PADDING = 0


def as_tokens(array: NDArray[np.generic], name: str) -> NDArray[np.int32]:
    """Token ids int32 [n, tokens]; raises DataError naming `name` for anything else."""
    if array.ndim != 2 or array.dtype.kind not in "iu" or not array.size:
        raise DataError(
            f"{name} must be an integer array of token ids [n, tokens], got {array.dtype} "
            f"{list(array.shape)}; pad short texts with 0"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_VOCABULARY:
        raise DataError(
            f"{name} holds token ids from {low} to {high}; ids lie in 0..{MAX_VOCABULARY - 1}, 0 "
            "being padding"
        )
    return array.astype(np.int32)


def read_tokens(ids: NDArray[Any]) -> tuple[int, int]:
    """(tokens up to the last that is no padding, ids up to the highest), of ids [tokens] or
    [n, tokens]; at least (1, 2)."""
    used = np.flatnonzero((ids != _PADDING).reshape(-1, ids.shape[-1]).any(axis=0))
    return (int(used[-1]) + 1 if len(used) else 1), max(2, int(ids.max()) + 1)


def fit_text(
    ids: NDArray[np.int32], signature: Signature
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Token ids [tokens] in the signature's length, with a note if some had to be left out.

    A short text is padded with 0, without a note; of a long one the beginning is kept. Raises
    SignatureError if the signature is not of text, or has no such ids.
    """
    if signature.modality != "text":
        raise SignatureError(
            f"text was given where {signature.key} is expected; send {signature.noun} instead"
        )
    tokens, vocabulary = read_tokens(ids)
    if vocabulary > signature.vocabulary:
        raise SignatureError(
            f"the text holds the token id {vocabulary - 1}, but {signature.key} has ids below "
            f"{signature.vocabulary}; use the tokeniser that the task was learned with"
        )
    wanted = signature.shape[0]
    kept = ids[: min(tokens, wanted)]
    notes = (f"cut from {tokens} to {wanted} tokens",) if tokens > wanted else ()
    return np.pad(kept, (0, wanted - len(kept))).astype(np.int32), notes
