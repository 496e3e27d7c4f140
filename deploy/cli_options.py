"""Options that several commands of `sen` take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[
    str | None, typer.Option(help="Ray cluster, host:port; by default the one `sen up` started.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Data = Annotated[
    Path,
    typer.Option(
        help="Folder with a directory of images or WAV files for each class, .npz, .parquet or "
        ".csv."
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help="Column with a number to predict; without it classes are learned."),
]
Family = Annotated[
    str | None,
    typer.Option(
        help="Of models: of images mlp (default), cnn or torchvision; of sounds melcnn "
        "(default) or lstm; of tables mlp; of text bag; of all but text svm or forest; or a "
        "torch.nn.Module of your own, as package.module:Class."
    ),
]
FamilyOptions = Annotated[
    list[str] | None,
    typer.Option(
        help="Of the family, or an argument of your own module; may be given more than once.",
        metavar="NAME=VALUE",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Safetensors file that torchvision or your own module starts from."),
]
Shots = Annotated[
    int | None, typer.Option(help="Examples a class to learn from; 0: links only.", min=0)
]
Epochs = Annotated[int, typer.Option(help="Passes over the data.", min=1)]
Augment = Annotated[
    bool, typer.Option("--augment", help="Change every example a little each time it is seen.")
]
MixedPrecision = Annotated[
    bool,
    typer.Option("--mixed-precision", help="Train in bfloat16: fast where processors have it."),
]
Threshold = Annotated[float, typer.Option(help="Mean probability that makes a link.")]
Seed = Annotated[int, typer.Option(help="Of weights and order.", min=0)]
Concepts = Annotated[
    Path | None, typer.Option(help="YAML file: label → concept of another task that it stands for.")
]
Namespace = Annotated[
    str, typer.Option(help="Tasks of one namespace join where their concepts are equal.")
]

ShareWith = Annotated[
    str | None, typer.Option(help="Known task whose units are trained too: graceful forgetting.")
]
SharedData = Annotated[
    Path | None, typer.Option(help="Examples of that task, to measure what it loses.")
]


def share(text: str | float) -> float:
    """A share as people write it, `0.5%` or `0.005`; raises typer.BadParameter."""
    given = str(text).strip()
    try:
        value = float(given.removesuffix("%"))
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no share; give one like 0.5% or 0.005") from None
    value = value / 100 if given.endswith("%") else value
    if not 0 <= value < 1:
        raise typer.BadParameter(f"{given!r} must lie in 0% to 100%; give one like 0.5% or 0.005")
    return value


ForgetBudget = Annotated[float, typer.Option(help="Most that task may lose.", parser=share)]
