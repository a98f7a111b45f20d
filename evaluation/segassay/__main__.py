"""`python -m segassay` is the same as `segassay`."""

from segassay.cli import main

if __name__ == "__main__":
    main()
