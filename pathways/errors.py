"""Errors a user of pathways can meet.

PathwaysError (ValueError)
 ├── DataError            a task's data cannot be learned from, or an input cannot be read
 │    ├── CorruptFileError   a file is not what its name says
 │    └── TooLargeError      an input, or all of them together, are larger than allowed
 ├── SignatureError       an input does not have the signature it should have
 ├── FamilyError          an unknown model family, or one that cannot take this signature
 │    └── ModuleMissingError   a user's own module cannot be imported in this process
 └── WeightsError         a weight file is damaged or of another format

Every message says what happened, the value seen and what to do. All take one message
string, so they survive pickling between processes.
"""


class PathwaysError(ValueError):
    """Base of all errors raised by this package for a user's mistake or a damaged file."""


class DataError(PathwaysError):
    """A task's data cannot be used."""


class CorruptFileError(DataError):
    """A file cannot be decoded."""


class TooLargeError(DataError):
    """Inputs are larger, or more, than allowed."""


class SignatureError(PathwaysError):
    """An input's signature does not match."""


class FamilyError(PathwaysError):
    """A model family is unknown or does not fit the signature."""


class ModuleMissingError(FamilyError):
    """A module of a user's own cannot be imported here."""


class WeightsError(PathwaysError):
    """A weight file is damaged, incomplete or of another format."""
