"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine  # nothing here may load NumPy: threads are settled first


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; a mistake ends the program with a message and a status that is not 0."""
    arguments = parser().parse_args(argv)
    arguments.command(arguments)


def parser() -> argparse.ArgumentParser:
    """Commands and options."""
    top = argparse.ArgumentParser(
        "python -m benchmarks",
        description="Time kappafit, alone or beside its peers, on one thread of one core.",
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_time(commands)
    add_peers(commands)
    return top


def add_time(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``time``."""
    text = "Time misfit and gradient of an experiment document at its start values."
    command = commands.add_parser("time", help=text, description=text)
    command.add_argument(
        "document", type=existing_file, metavar="DOCUMENT.json", help="the experiment document"
    )
    add_common(command)
    command.set_defaults(command=run_time)


def add_peers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command ``peers``."""
    text = "Solve the lecture's bar by kappafit, SciPy and, where installed, JAX and PyTorch."
    command = commands.add_parser("peers", help=text, description=text)
    command.add_argument(
        "--sizes",
        type=size,
        nargs="+",
        default=[(100, 200), (1000, 1000)],
        metavar="NxM",
        help="n unknowns and m steps (default: 100x200 1000x1000)",
    )
    add_common(command)
    command.set_defaults(command=run_peers)


def add_common(command: argparse.ArgumentParser) -> None:
    """What both commands know."""
    command.add_argument("--json", action="store_true", help="one line of JSON per result")
    command.add_argument(
        "--rounds", type=positive, default=5, metavar="R", help="time at least R rounds (default: 5)"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=2.0,
        metavar="S",
        help="and go on with further rounds for S seconds (default: 2)",
    )


def run_time(arguments: argparse.Namespace) -> None:
    """Load what the command needs, then run it."""
    from benchmarks.document import run

    run(arguments)


def run_peers(arguments: argparse.Namespace) -> None:
    """Load what the command needs, then run it."""
    from benchmarks.comparison import run

    run(arguments)


def existing_file(text: str) -> Path:
    """A path to a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def size(text: str) -> tuple[int, int]:
    """``NxM`` as (n, m): at least 2 unknowns and 1 step."""
    n, _, m = text.partition("x")
    if not (n.isdecimal() and m.isdecimal() and int(n) >= 2 and int(m) >= 1):
        detail = "write UNKNOWNSxSTEPS, at least 2x1, such as 1000x1000"
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: {detail}")
    return int(n), int(m)


def positive(text: str) -> int:
    """A count of at least 1."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    machine.settle()
    sys.exit(main())
