"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks import machine  # nothing here may load NumPy: threads are settled first
from benchmarks.kinds import KINDS

PICTURES = (".svg", ".png", ".pdf")


def main(argv: Sequence[str] | None = None, *, settle: bool = False) -> None:
    """Run one command, by default ``peers``; a mistake ends the program with a message.

    With `settle`, a command that times in this process binds it to one thread of one core first.
    """
    words = sys.argv[1:] if argv is None else argv
    arguments = parser().parse_args(words or ["peers"])
    if settle and arguments.here:
        machine.settle()
    arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    """Commands and options."""
    top = argparse.ArgumentParser(
        "python -m benchmarks",
        description="Time kappafit, alone or beside its peers, on one thread of one core.",
        epilog="Without a command: peers.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    add_time(commands)
    add_peers(commands)
    add_scaling(commands)
    add_rest(commands)
    return top


def add_time(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``time``."""
    text = "Time misfit and gradient of an experiment document at its start values."
    command = commands.add_parser("time", help=text, description=text)
    command.add_argument(
        "document", type=existing_file, metavar="DOCUMENT.json", help="the experiment document"
    )
    command.add_argument(
        "--by",
        choices=["adjoint", "tangents"],
        default="adjoint",
        help="how the gradient is found (default: adjoint)",
    )
    add_common(command)
    command.set_defaults(run=run_time, here=True)


def add_peers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``peers``."""
    text = "Solve the lecture's bar by kappafit, SciPy and, where installed, C, JAX and PyTorch."
    command = commands.add_parser("peers", help=text, description=text)
    command.add_argument(
        "--sizes",
        type=sizes,
        nargs="+",
        default=[sizes("100x200,1000x1000")],
        metavar="NxM",
        help="n unknowns and m steps (default: 100x200 1000x1000)",
    )
    command.add_argument(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        metavar="KIND",
        help=f"what to compare (default: all of {', '.join(KINDS)})",
    )
    command.add_argument(
        "--no-children",
        dest="children",
        action="store_false",
        help="leave out memory and first call, which take a fresh process for each peer",
    )
    add_common(command)
    command.set_defaults(run=run_peers, here=True)


def add_scaling(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``scaling``."""
    text = "Time kappafit over unknowns of the grid, steps, unknowns of the fit, and members."
    command = commands.add_parser("scaling", help=text, description=text)
    command.add_argument(
        "--plot",
        type=picture,
        metavar="FILE.svg",
        help=f"draw it into this file ({', '.join(PICTURES)})",
    )
    command.add_argument(
        "--largest",
        type=positive,
        default=20000,
        metavar="SIZE",
        help="leave out whatever is larger (default: 20000)",
    )
    add_common(command)
    command.set_defaults(run=run_scaling, here=True)


def add_rest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``rest``."""
    text = "Start the service and time warm calibrations of a document over HTTP on loopback."
    command = commands.add_parser("rest", help=text, description=text)
    command.add_argument(
        "document", type=existing_file, metavar="DOCUMENT.json", help="the experiment document"
    )
    command.add_argument("--json", action="store_true", help="one line of JSON")
    command.add_argument(
        "--requests", type=positive, default=200, metavar="R", help="how many (default: 200)"
    )
    command.set_defaults(run=run_rest, here=False)


def add_common(command: argparse.ArgumentParser) -> None:
    """What the commands know that time in this process."""
    command.add_argument("--json", action="store_true", help="one line of JSON per result")
    command.add_argument(
        "--rounds",
        type=positive,
        default=5,
        metavar="R",
        help="time at least R rounds (default: 5)",
    )
    command.add_argument(
        "--seconds",
        type=duration,
        default=2.0,
        metavar="S",
        help="and go on with further rounds for S seconds (default: 2)",
    )


def run_time(arguments: argparse.Namespace) -> None:
    """Load what the command needs, then run it."""
    from benchmarks import document

    document.run(arguments)


def run_peers(arguments: argparse.Namespace) -> None:
    """Load what the command needs, then run it."""
    from benchmarks import comparison

    comparison.run(arguments)


def run_scaling(arguments: argparse.Namespace) -> None:
    """Load what the command needs, then run it."""
    from benchmarks import scaling

    scaling.run(arguments)


def run_rest(arguments: argparse.Namespace) -> None:
    """Service and client share all cores, as they do where both run on one machine."""
    from benchmarks import rest

    rest.run(arguments)


def existing_file(text: str) -> Path:
    """A path to a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def picture(text: str) -> Path:
    """A path where a picture can be written."""
    path = Path(text)
    if path.suffix not in PICTURES or not path.parent.is_dir():
        detail = f"end it with one of {', '.join(PICTURES)}, in a folder that is there"
        raise argparse.ArgumentTypeError(f"{text!r} is no place for a picture: {detail}")
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("drawing needs matplotlib, which is not installed")
    return path


def sizes(text: str) -> list[tuple[int, int]]:
    """One size or several with commas between them."""
    return [size(part) for part in text.split(",")]


def size(text: str) -> tuple[int, int]:
    """``NxM`` as (n, m): at least 3 unknowns (fewer LAPACK's wrapper refuses) and 1 step."""
    n, _, m = text.partition("x")
    if not (n.isdecimal() and m.isdecimal() and int(n) >= 3 and int(m) >= 1):
        detail = "write UNKNOWNSxSTEPS, at least 3x1, such as 1000x1000"
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: {detail}")
    return int(n), int(m)


def positive(text: str) -> int:
    """A count of at least 1."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def duration(text: str) -> float:
    """A finite time of at least 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0.0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in seconds")
    return seconds


if __name__ == "__main__":
    main(settle=True)
