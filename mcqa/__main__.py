"""`python -m mcqa` is `mcqa`; launchers of several processes take it by that name."""

from mcqa.cli import main

if __name__ == "__main__":
    main()
