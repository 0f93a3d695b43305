"""Fine-tune a model generatively; the same as `mcqa train generative`."""

import sys

from mcqa.cli import main

if __name__ == "__main__":
    main(["train", "generative", *sys.argv[1:]])
