"""Results as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from benchmarks.modalities.asking import Right
from benchmarks.modalities.learning import Learned


def beaten(result: Right) -> bool | None:
    """Whether both together are right more often than either alone; None where one is perfect."""
    image, sound, both = (np.mean(r) for r in (result.image, result.sound, result.both))
    if max(image, sound) == 1.0:
        return None
    return bool(both > max(image, sound))


def asking_table(results: Sequence[Right]) -> Table:
    """Share of right answers in %, mean of the pairings."""
    table = Table(
        title="Asking with noise: right in %, tasks told / not told (unknown is not right)",
        caption="noise of images: standard deviation as a share of the range of grey; of sounds: "
        "signal over noise in dB",
    )
    for name in ("image noise", "sound dB", "image", "sound", "both", "beats either"):
        table.add_column(name, justify="right")
    for r in results:
        table.add_row(
            f"{r.image_noise:g}",
            "none" if r.sound_db is None else f"{r.sound_db:g}",
            f"{_percent(r.image)} / {_percent(r.image_routed)}",
            f"{_percent(r.sound)} / {_percent(r.sound_routed)}",
            f"{_percent(r.both)} / {_percent(r.both_routed)}",
            {True: "yes", False: "no", None: "–"}[beaten(r)],
        )
    return table


def learning_table(results: Sequence[Learned]) -> Table:
    """Test accuracy of each pathway alone in %, mean ± sample standard deviation."""
    table = Table(title="Learning from few labels: each pathway alone, right in %")
    for name in ("labels a class", "agreement", "image", "sound"):
        table.add_column(name, justify="right")
    for r in results:
        table.add_row(str(r.shots), f"{r.agreement:g}", _spread(r.image), _spread(r.sound))
    return table


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * float(np.mean(shares)):.1f}"


def _spread(shares: Sequence[float]) -> str:
    deviation = float(np.std(shares, ddof=1)) if len(shares) > 1 else 0.0
    return f"{_percent(shares)} ± {100 * deviation:.1f}"
