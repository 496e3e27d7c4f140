"""Inputs of any fixed shape as numbers in a row, for families that know no shapes."""

from __future__ import annotations

from torch import Tensor, nn

from pathways.signature import Signature


class Flat(nn.Module):
    """Raw inputs [n, *shape] → float32 [n, features]; nothing in it is learnt.

    Images: pixels in 0..1. Sounds: the picture of the word that `melcnn` reads, since single
    samples of a waveform tell nothing. All others: their values as they are.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self._modality = signature.modality
        if signature.modality == "audio":
            from pathways.families.words import WordPicture  # loads audio libraries

            self._picture = WordPicture(rate_hz=signature.rate_hz)

    def forward(self, x: Tensor) -> Tensor:
        if self._modality == "audio":
            picture: Tensor = self._picture(x)
            return picture.flatten(1)
        flat = x.flatten(1).float()
        return flat / 255 if self._modality == "image" else flat
