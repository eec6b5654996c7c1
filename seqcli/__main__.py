"""`python -m seqcli` and the `seqcli` script."""

from seqcli.system import startup

startup.leave_at_once()  # before the other imports, which take longer

from seqcli.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
