"""Errors a user of the cluster can meet.

SenError (ValueError)
 ├── ConfigError           a setting is unknown or out of range
 ├── StoreError            the store cannot be read or written
 │    ├── StoreFormatError    it was written by another format version, or is no store
 │    └── StoreDamagedError   a file in it is not what was written
 ├── TaskNameTaken         a task of that name was learned or is waiting
 ├── QueueFull             as many tasks wait to be learned as may
 ├── UnknownTask           no task of that name
 ├── VersionUnknown        the task has no such version
 ├── TaskInUse             other tasks read it, or it is being changed
 ├── TaskUnavailable       the task is known but its files are damaged
 ├── ExpansionFailed       a task could not be learned or revised
 ├── NotRunning            no network runs at that address
 ├── NetworkUnavailable    it runs, but does not answer now
 └── NotResident           a pathway is not loaded in the slot asked (internal: callers wake it)

All take one message string, so they survive the way between processes.
"""


class SenError(ValueError):
    """Base of all errors raised by this package for what a user can mend."""


class ConfigError(SenError):
    """A setting is unknown or out of range."""


class StoreError(SenError):
    """The store cannot be read or written."""


class StoreFormatError(StoreError):
    """The directory is no store, or one of another format version."""


class StoreDamagedError(StoreError):
    """A file of the store is missing or not what was written."""


class TaskNameTaken(SenError):  # noqa: N818 - reads as what happened
    """A task of that name exists already."""


class QueueFull(SenError):  # noqa: N818
    """As many tasks wait to be learned as may."""


class UnknownTask(SenError):  # noqa: N818
    """No task has that name."""


class VersionUnknown(SenError):  # noqa: N818
    """A task has no such version."""


class TaskInUse(SenError):  # noqa: N818
    """A task cannot be changed now: other tasks read it, or it is being changed already."""


class TaskUnavailable(SenError):  # noqa: N818
    """The task is known but cannot be served now."""


class ExpansionFailed(SenError):  # noqa: N818
    """A task could not be learned, or no version made of it."""


class NotRunning(SenError):  # noqa: N818
    """No network runs where one was looked for."""


class NetworkUnavailable(SenError):  # noqa: N818
    """The network's controller does not answer now; it starts anew by itself."""


class NotResident(SenError):  # noqa: N818
    """A pathway is not loaded in the slot that was asked to run it."""


def user_message(error: Exception) -> str:
    """What to tell the user: Ray wraps an error of another process in its traceback."""
    while isinstance(cause := getattr(error, "cause", None), Exception):
        error = cause
    return str(error)
