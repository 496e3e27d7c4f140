"""What one request may bring: how many inputs, and how much its files may decode to."""

from __future__ import annotations

from cluster.inputs import Input, decode
from pathways import TooLargeError


def check_count(inputs: int, most: int) -> None:
    """Raises TooLargeError for a request with too many inputs."""
    if inputs > most:
        raise TooLargeError(
            f"the request has {inputs} inputs, the limit is {most}; send them in several requests "
            "or raise serve.max_inputs"
        )


class Allowance:
    """Pixels and samples that the files of one request may still decode to.

    A small file can decode to a huge picture, and a request can hold many files: so they share
    one limit, which is checked against the head of each file before it is decoded.
    """

    def __init__(self, values: int) -> None:
        self._values = values
        self._left = values

    def decode(self, body: bytes, name: str) -> Input:
        """See cluster.inputs.decode; raises TooLargeError for more than is left."""
        try:
            given = decode(body, name, self._left)
        except TooLargeError as error:
            raise TooLargeError(
                f"{error} (the files of one request may have {self._values} pixels and samples "
                "together: serve.max_decoded_values)"
            ) from error
        pixels_or_samples = given.array.shape[0] if given.rate_hz else given.array[..., 0].size
        self._left -= pixels_or_samples
        return given
