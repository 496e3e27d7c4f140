"""The paper's audio model (§4.2): 64 Mel bands → LSTM of 500 units, averaged over time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from pathways.families.base import Body
from pathways.families.mel import MelPower
from pathways.signature import Signature

_WINDOW_S = 0.064
_HOP_S = 0.032
_FLOOR = 1e-4  # power below which a band counts as silent
_LOG_CENTRE, _LOG_SCALE = -4.0, 4.0  # brings log power of speech to about -1..2


@dataclass(frozen=True, kw_only=True)
class LstmOptions:
    bands: int = 64
    """Bands of the Mel spectrum."""
    units: int = 500
    """Units of the LSTM."""
    hidden: int = 128
    """Units of the first layer above the LSTM."""
    width: int = 64
    """Units of the second layer, which the head reads."""


class LstmBody(Body):
    """Waveform → log-Mel spectrum → LSTM → mean over time → two ReLU layers."""

    modalities = ("audio",)
    Options = LstmOptions
    vectorises = False

    def __init__(self, signature: Signature, options: LstmOptions) -> None:
        super().__init__(signature, options)
        self.width = options.width
        self._mel = MelPower(
            rate_hz=signature.rate_hz, bands=options.bands, window_s=_WINDOW_S, hop_s=_HOP_S
        )
        self.lstm = nn.LSTM(options.bands, options.units, batch_first=True)
        self.layers = nn.Sequential(
            nn.Linear(options.units, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, options.width),
            nn.ReLU(),
        )

    def prepare(self, x: Tensor) -> Tensor:
        power: Tensor = self._mel(x)
        return (power.clamp_min(_FLOOR).log() - _LOG_CENTRE) / _LOG_SCALE

    def forward(self, prepared: Tensor) -> Tensor:
        states, _ = self.lstm(prepared)  # [n, frames, units]
        hidden: Tensor = self.layers(states.mean(dim=1))
        return hidden
