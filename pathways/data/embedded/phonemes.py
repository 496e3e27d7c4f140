"""What the ten digits are made of: a few sounds, each a target for mouth and throat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A stretch of speech that moves the formants from `start` to `end`."""

    ms: float
    """Usual duration in milliseconds."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    """First three formants, Hz, for an average voice."""

    voice: float = 0.0
    """Loudness of the vocal cords, 1 in a vowel."""

    noise: float = 0.0
    """Loudness of turbulent air."""

    noise_hz: float = 2500.0
    noise_width_hz: float = 900.0
    """Middle and spread of the noise band."""


def _vowel(
    ms: float,
    start: tuple[float, float, float],
    end: tuple[float, float, float] | None = None,
    voice: float = 1.0,
) -> Sound:
    return Sound(ms=ms, start=start, end=end or start, voice=voice)


def _hiss(
    ms: float, loud: float, hz: float, width_hz: float, mouth: tuple[float, float, float]
) -> Sound:
    return Sound(ms=ms, start=mouth, end=mouth, noise=loud, noise_hz=hz, noise_width_hz=width_hz)


_EE, _OO, _NEUTRAL = (290.0, 2250.0, 2900.0), (320.0, 950.0, 2250.0), (500.0, 1500.0, 2500.0)
_NOSE = _vowel(85, (260, 1350, 2350), voice=0.4)
_R = (330.0, 1120.0, 1550.0)
_V = Sound(
    ms=60, start=(300, 1150, 2250), end=(300, 1150, 2250), voice=0.4, noise=0.06, noise_hz=3000
)
_F = _hiss(105, 0.13, 2700, 1500, (350, 1100, 2300))
_S = _hiss(130, 0.42, 3750, 500, (320, 1700, 2600))
_CLOSED = _hiss(45, 0.0, 2500, 900, _NEUTRAL)
_T_BURST = _hiss(28, 0.5, 3300, 700, (350, 1800, 2600))
_K_BURST = _hiss(30, 0.45, 1900, 450, (320, 1900, 2500))
_I = (400.0, 1950.0, 2550.0)
_AY = _vowel(215, (740, 1200, 2500), (380, 2100, 2700))

WORDS: tuple[tuple[Sound, ...], ...] = (
    (
        Sound(ms=75, start=(300, 1700, 2550), end=_I, voice=0.45, noise=0.25, noise_hz=3600),
        _vowel(85, _I, _R),
        _vowel(50, _R, (480, 950, 2200)),
        _vowel(170, (520, 920, 2350), (380, 760, 2300)),
    ),  # zero
    (_vowel(70, (310, 650, 2200), (640, 1190, 2400), 0.8), _vowel(130, (650, 1200, 2450)), _NOSE),
    (_T_BURST, _vowel(225, (320, 1500, 2350), _OO)),
    (
        _hiss(95, 0.09, 3000, 1300, (350, 1400, 2550)),
        _vowel(65, _R, (310, 1600, 2100), 0.8),
        _vowel(190, (300, 2100, 2800), _EE),
    ),
    (_F, _vowel(150, (560, 860, 2400)), _vowel(110, (520, 950, 2300), _R, 0.8)),
    (_F, _AY, _V),
    (_S, _vowel(95, _I), _CLOSED, _K_BURST, _S),
    (
        _S,
        _vowel(95, (550, 1780, 2500)),
        _V,
        _vowel(70, (500, 1300, 2450), voice=0.7),
        _NOSE,
    ),
    (_vowel(205, (480, 1900, 2500), (320, 2200, 2800)), _CLOSED, _T_BURST),
    (_NOSE, _AY, _NOSE),
)
"""The sounds of zero to nine."""
