"""The command line: the commands in the order of the help, and the handling of errors.

An error is one line on standard error and an exit code: 0 ok, 1 unexpected, 2 usage, 3 input, 4 model, 5 output,
6 diverged, 7 busy, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from seqcli.commands.declaration import Group
from seqcli.errors import ClosedPipe, OutputError, SeqcliError, UsageError
from seqcli.system import clock, memory, signals, startup, supervisor, torchrun

COMMANDS = {  # in the order of the help
    "tokenize": "Split text into tokens and back.",
    "train": "Train a tokenizer or a model.",
    "generate": "Generate text from a prompt.",
    "translate": "Translate texts.",
    "classify": "Label texts.",
    "embed": "Turn texts into vectors, and find similar words.",
    "score": "Score texts, orderings, choices and minimal pairs.",
    "explain": "Show how a model processes a text.",
    "convert": "Convert models to and from the formats of other tools.",
    "info": "Describe a model.",
    "demo": "Take a guided tour.",
    "help": "Show help for a command, or list the training settings.",
}
TRAINING = {
    "train lm",
    "train classifier",
    "train translator",
}  # run by all processes of torchrun; other commands by rank 0 alone
_COMPLETION = "_SEQCLI_COMPLETE"  # set by shells that complete a command line
_FIRST_WORD = 3.0  # seconds in which torchrun ends the others when rank 0 has failed


class _InOrder(Group):
    """Commands in the order of `COMMANDS`; typer would list groups of commands last."""

    def list_commands(self, _) -> list[str]:
        return list(COMMANDS)


@functools.cache  # of a process that runs several commands
def program(only: str | None = None) -> Any:
    """All commands as typer's command. only: the one to import, None for all; the others are then known by name, which saves the
    time to import them."""
    from seqcli.commands.declaration import Command

    app = typer.Typer(
        name="seqcli",
        cls=_InOrder,
        help="Train, use and compare sequence models of text.",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_top)
    for name, short_help in COMMANDS.items():
        if only not in (None, name):
            app.command(name, short_help=short_help)(_not_imported)
            continue
        module = import_module(f"seqcli.commands.{name}")
        if name == "train":
            app.add_typer(module.app, name=name, short_help=short_help)
        else:
            app.command(name, cls=Command, short_help=short_help)(getattr(module, name))
    return typer.main.get_command(app)


def _not_imported() -> None:
    """Stands for a command that is not imported, in the list of commands."""


def _needed(arguments: list[str]) -> str | None:
    """The command that has to be imported, "" for none; None where all have to be: `help` shows any, a shell completes any."""
    first = next(iter(arguments), "")
    if first == "help" or _COMPLETION in os.environ:
        return None
    return first if first in COMMANDS else ""


def _top(
    version: bool = typer.Option(False, "--version", help="Show the versions of seqcli, Python, PyTorch and CUDA."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    if not sys.warnoptions:  # Python's warnings are for developers: python -W default -m seqcli shows them
        warnings.simplefilter("ignore")
    _occupy_closed_streams()
    arguments, began = sys.argv[1:] if arguments is None else arguments, clock.process_start()
    if memory.is_limited() and torchrun.world() == 1 and "--debug" not in arguments:

        def clean_up(process: int) -> None:
            from seqcli.runs.model_writer import clean_up_after

            clean_up_after(process, map(Path, arguments))

        def out_of_memory() -> int:
            return _explain(MemoryError(), arguments)

        code = supervisor.supervised(lambda: run(arguments, began=began), explain=out_of_memory, clean_up=clean_up)
    else:
        code = run(arguments, began=began)
    startup.leave_at_once(code)
    if (
        code > 128 or torchrun.world() == 1
    ):  # else torch takes seconds to leave, and pyarrow's threads may abort the process
        signals.leave(code)
    sys.exit(code)


def _occupy_closed_streams() -> None:
    """Reopens closed standard streams, so that no other file gets their number, which libraries write to and workers
    replace."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def run(arguments: list[str], *, began: float | None = None) -> int:
    """Runs one command and returns its exit code. began: start on the scale of `time.monotonic`; None for now."""
    with clock.command(began):
        return signals.watched(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    with signals.held(), suppress(OSError):
        # The first call writes and removes a file, wherever it is made. Torch would make a folder there for compiled code.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `seqcli --help | head -1` ends quietly
    if torchrun.rank() and (
        _command(arguments).removeprefix("seqcli ") not in TRAINING or {"-h", "--help"} & {*arguments}
    ):
        return 0
    try:
        if arguments[:1] == ["--version"]:
            _print_version()
            sys.stdout.flush()
            return 0
        result = program(_needed(arguments))(args=arguments, prog_name="seqcli", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (ClosedPipe, BrokenPipeError):
        return _die_of(signal.SIGPIPE)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except signals.Stopped:
        raise
    except BaseException as error:
        if signals.came():
            return 1
        if "--debug" in arguments:
            raise
        return _explain(error, arguments)


def _explain(error: BaseException, arguments: list[str]) -> int:
    command = _command(arguments)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if torchrun.rank():  # an error on every rank is reported by rank 0
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(_FIRST_WORD)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else command
        message = error.format_message()
        if message.startswith("Usage:"):  # no arguments at all
            _say(message)
            return UsageError.exit_code
        error = _guessed(error, arguments) or UsageError(message.removesuffix("."), cure=f"see {command} --help")
    elif memory.is_exhausted(error):
        error = OutputError("out of memory", cure="use a smaller model or input, or limit --memory where available")
    elif isinstance(error, OSError):
        error = _of_system(error)
    elif not isinstance(error, SeqcliError):
        error = SeqcliError(f"unexpected {type(error).__name__}: {error}", cure="use --debug for a traceback")
    _say(f"{command}: error: {_shown(error)}")
    return error.exit_code


def _guessed(error: typer.TyperException, arguments: list[str]) -> UsageError | None:
    """The error for an option that does not exist, with the option that may be meant."""
    name, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if name is None or context is None or type(error).__name__ != "NoSuchOption":
        return None
    from seqcli.commands import guesses

    elsewhere = {path: _options(command, context) for path, command in _leaves(program(), "seqcli")}
    known = _options(context.command, context)
    return guesses.option(name, arguments, known=known, of=context.command_path, elsewhere=elsewhere)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The commands without subcommands, by their full names."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _leaves(each, f"{path} {name}")


def _options(command: Any, context: Any) -> list[str]:
    return [
        option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)
    ]


def _say(text: str) -> None:
    """Prints to standard error, if it is open; print would fall back to standard output."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr)


def _of_system(error: OSError) -> SeqcliError:
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return OutputError("no space left on device", where=error.filename, cure="free some space or write elsewhere")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EBADF):
        return OutputError(f"cannot write ({error.strerror})", where=error.filename)
    if (
        error.errno is not None and error.filename is not None
    ):  # a path that is too long, passes through a file or contains a loop of links
        return OutputError(f"cannot open ({error.strerror})", where=str(error.filename), cure="check the path")
    return SeqcliError(f"unexpected {type(error).__name__}: {error}", cure="use --debug for a traceback")


def _shown(error: SeqcliError) -> str:
    """The error with everything in `what` and `where` on one line; a cure may have several lines."""
    from seqcli.text import printable

    cure = "" if error.cure is None else "; " + "\n".join(map(printable, error.cure.split("\n")))
    return printable(str(SeqcliError(error.what, where=error.where))) + cure


def _command(arguments: list[str]) -> str:
    names: list[str] = []
    for argument in arguments[:2]:
        if not argument.isidentifier() or (names[0] != "train" if names else argument not in COMMANDS):
            break
        names.append(argument)
    return " ".join(["seqcli", *names])


def _die_of(number: int) -> int:
    """Ends the process quietly by a signal, with its exit status, as if the signal had never been handled; the status
    is returned where the signal is blocked."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _print_version() -> None:
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    from seqcli import __version__

    print(f"seqcli {__version__}")
    print(f"python {sys.version.split()[0]}")
    try:
        torch = version("torch")
        spec = find_spec("torch")
        cuda = None
        if spec and spec.origin:  # a small file of torch; importing torch takes a second
            with open(os.path.join(os.path.dirname(spec.origin), "version.py"), encoding="utf-8") as file:
                for line in file:
                    if line.startswith("cuda"):
                        cuda = line.partition("=")[2].strip().strip("'\"")
        print(f"torch {torch}")
        print(f"cuda {cuda if cuda and cuda != 'None' else 'none'}")
    except (PackageNotFoundError, OSError):
        print("torch none\ncuda none")
