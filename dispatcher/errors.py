"""Errors a user of the dispatcher can meet.

DispatcherError (ValueError)
 ├── NoTaskFits       no known signature can take this kind of input
 ├── FeatureError     the fixed features cannot be made for, or applied to, this input
 └── RouterError      statistics or a snapshot do not fit together, or are damaged

Every message says what happened, the value seen and what to do. All take one message
string, so they survive pickling between processes.
"""


class DispatcherError(ValueError):
    """Base of all errors raised by this package."""


class NoTaskFits(DispatcherError):  # noqa: N818 - reads as what happened to the request
    """No known task takes this kind of input."""


class FeatureError(DispatcherError):
    """Features cannot be made for this signature, or an input has another shape."""


class RouterError(DispatcherError):
    """Statistics, a router or a snapshot have shapes or names that do not fit."""
