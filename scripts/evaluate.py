"""Score models on a data set and compare them; the same as `mcqa evaluate`."""

import sys

from mcqa.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
