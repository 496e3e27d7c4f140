"""`python -m benchmarks.revisions`."""

from benchmarks.revisions.cli import main

if __name__ == "__main__":
    main()
