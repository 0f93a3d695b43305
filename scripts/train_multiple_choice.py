"""Fine-tune a model with a multiple-choice head; the same as `mcqa train multiple-choice`."""

import sys

from mcqa.cli import main

if __name__ == "__main__":
    main(["train", "multiple-choice", *sys.argv[1:]])
