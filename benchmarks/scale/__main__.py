"""`python -m benchmarks.scale`."""

from benchmarks.scale.cli import main

if __name__ == "__main__":
    main()
