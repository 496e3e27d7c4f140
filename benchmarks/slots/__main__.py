"""`python -m benchmarks.slots`."""

from benchmarks.slots.cli import main

if __name__ == "__main__":
    main()
