"""`python -m benchmarks.inputs`."""

import typer

from benchmarks.inputs.cli import main

if __name__ == "__main__":
    typer.run(main)
