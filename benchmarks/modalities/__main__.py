"""python -m benchmarks.modalities"""

from benchmarks.modalities.cli import main

if __name__ == "__main__":
    main()
