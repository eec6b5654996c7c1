"""`python -m seqcli` and the `seqcli` script."""

from seqcli.cli import main

if __name__ == "__main__":
    main()
