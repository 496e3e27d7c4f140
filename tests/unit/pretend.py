"""A device made of the CPU, for tests where there is no GPU.

Its tensors have values, computed by the CPU's kernels. But like a GPU's they are elsewhere: what
mixes them with the CPU's tensors is refused, and so is reading them without moving them back. So
whatever runs through has left nothing behind.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)


class _Backend(_DummyBackendModule):  # type: ignore[misc]
    """What torch asks of a device before it computes in mixed precision there."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretend", backend_module=_Backend())
PRETEND = torch.device("pretend", 0)

_ACROSS = ("aten::copy_", "aten::_to_copy")  # what moves between devices


class _There(Tensor):
    """A tensor of the device, around the one of the CPU that it is made of."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> _There:
        made: _There = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=PRETEND,
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(op, *args, **(kwargs or {}))


@torch.inference_mode(False)  # a tensor made inside may be viewed and changed outside
def _run(op: Any, *args: Any, **kwargs: Any) -> Any:
    name, device = op._schema.name, kwargs.get("device")
    if name not in _ACROSS:
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor) and given.device != PRETEND and given.ndim:
                raise RuntimeError(f"{name} was given tensors on {PRETEND} and on {given.device}")
    result = op(*tree_map(_here, args), **tree_map(_here, kwargs))
    if device is not None and torch.device(device) != PRETEND:
        return result
    if op._schema.is_mutable:  # gives what it was given
        return kwargs.get("out", args[0]) if isinstance(result, Tensor) else None
    return tree_map(lambda given: _There(given) if isinstance(given, Tensor) else given, result)


def _here(given: Any) -> Any:
    if isinstance(given, torch.device):
        return torch.device("cpu")
    return given.here if isinstance(given, _There) else given


_LIBRARY = torch.library.Library("_", "IMPL")
_LIBRARY.fallback(_run, "PrivateUse1")  # what makes tensors of nothing
