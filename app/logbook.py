"""The log: a line for each event on stderr, JSON or text, and nothing in it of what users send.

Of a message of our own loggers, and uvicorn's, the words are written; of others' their template
alone, without what would be filled in. Of an exception its type and where it was raised: its words
may quote a document. Lines are written by a thread of their own, so that a reader who has stopped
reading stops no request; then lines are lost, and it is said how many.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, Literal, TextIO

import structlog

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]  # auto: text on a terminal

OURS = ("kappafit", "uvicorn")
WAITING_LINES = 10_000
LONGEST = 500  # characters of a value
FRAMES = 20  # of a traceback, the innermost
GATHER_SECONDS = 0.05
FLUSH_SECONDS = 1.0
STDERR = 2
LOST = "%d lines of the log were lost: nobody read them"

Event = dict[str, Any]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        lambda _, __, event: ((event,), {}),  # as the message of a record
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def logger(name: str = "kappafit") -> structlog.stdlib.BoundLogger:
    """Events of ours: fixed words, and fields that hold nothing of users."""
    found: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return found


class Logbook(logging.Handler):
    """Everything that is logged in this process, until it is closed."""

    def __init__(self, level: LogLevel, format: LogFormat, file: int = STDERR) -> None:
        super().__init__()
        self._file, self._lost = file, 0
        self._lines: SimpleQueue[logging.LogRecord | None] = SimpleQueue()
        self._ending = threading.Event()
        terminal = os.isatty(file)
        as_text = format == "text" or (format == "auto" and terminal)
        self._render = _as_text(terminal) if as_text else _as_json
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        logging.getLogger().addHandler(self)
        logging._srcfile = None  # the documented ways to make a record cost less
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        for name in OURS:
            adopt(name)
            logging.getLogger(name).setLevel(level.upper())
        warnings.showwarning = _warned
        threading.excepthook = _thread_failed
        sys.unraisablehook = _unraisable

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= WAITING_LINES:
            self._lost += 1
            return
        if not isinstance(record.msg, dict):
            record.bound = structlog.contextvars.get_contextvars()
        self._lines.put(record)

    def close(self) -> None:
        """Write what is waiting, where that is read, and write no more."""
        root = logging.getLogger()
        root.addHandler(logging.NullHandler())  # without any, Python would print the rest
        root.removeHandler(self)
        self._lines.put(None)
        self._ending.set()
        self._thread.join(FLUSH_SECONDS)
        super().close()

    def _write(self) -> None:
        """Lines as they come, several at a time: to be woken for each would cost the others."""
        try:
            for record in iter(self._lines.get, None):
                self._put(record)
                lost, self._lost = self._lost, 0
                if lost:
                    self._put(_warning(LOST, lost))
                if self._lines.empty():
                    self._ending.wait(GATHER_SECONDS)
        except OSError:  # nobody will read any more
            return

    def _put(self, record: logging.LogRecord) -> None:
        try:
            line = self._render(event_of(record))
        except Exception as error:
            line = f'{{"event": "not written for {type(error).__name__}", "level": "error"}}'
        left = memoryview(f"{line}\n".encode("ascii", "backslashreplace"))
        while left:  # not by sys.stderr, whose lock would be held by who waits for a reader
            left = left[os.write(self._file, left) :]


def adopt(name: str) -> None:
    """Let the loggers of a library that writes by itself, and all below, write here."""
    for known in list(logging.root.manager.loggerDict):
        if known == name or known.startswith(f"{name}."):
            its = logging.getLogger(known)
            its.handlers.clear()
            its.setLevel(logging.NOTSET)
            its.propagate = True


def dask_setup(_: Any) -> None:
    """In a worker's process, which Dask calls this in as it starts."""
    if not any(isinstance(handler, Logbook) for handler in logging.getLogger().handlers):
        Logbook("warning", "auto")
        adopt("distributed")


def loop_failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For an event loop: what failed where nobody waits for it."""
    logger().error("failed where nobody waits for it", exc_info=context.get("exception"))


def event_of(record: logging.LogRecord) -> Event:
    """What is written of a record: time, level, event, logger, and its fields."""
    if isinstance(record.msg, dict):
        fields = dict(record.msg)
    else:
        ours = record.name.split(".")[0] in OURS
        words = record.getMessage() if ours else str(record.msg)
        fields = {"event": words, "exc_info": record.exc_info} | getattr(record, "bound", {})
    info = fields.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return (
        {"time": when.replace("+00:00", "Z"), "level": record.levelname.lower()}
        | {"event": str(fields.pop("event")).strip()[:LONGEST], "logger": record.name}
        | {name: value for name, value in fields.items() if value is not None}
        | (_without_words(error) if isinstance(error, BaseException) else {})
    )


def _as_json(event: Event) -> str:
    return json.dumps(event, default=_shown)


def _as_text(colours: bool) -> Callable[[Event], str]:
    render = structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time")
    return lambda event: str(render(None, "", {k: _shown(v) for k, v in event.items()}))


def _without_words(error: BaseException) -> Event:
    """An exception's type and the places it came through."""
    kinds = (f"{type(e).__module__}.{type(e).__qualname__}" for e in _chain(error))
    return {"exception": " from ".join(kinds), "frames": _frames(error)}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[str]:
    places = [
        f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return places[-FRAMES:]


def _shown(value: Any) -> Any:
    """Without line breaks and what a terminal would obey."""
    if isinstance(value, int | float):
        return value
    return "".join(c if " " <= c <= "~" else "?" for c in str(value)[:LONGEST])


def _warning(words: str, *args: Any) -> logging.LogRecord:
    return logging.LogRecord("kappafit", logging.WARNING, "", 0, words, args, None)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    module = next((n for n, m in sys.modules.items() if getattr(m, "__file__", 0) == filename), "")
    logger().warning("Python warned", category=category.__name__, place=f"{module}:{lineno}")


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    logger().error("a thread failed", exc_info=failure.exc_value)


def _unraisable(failure: Any) -> None:
    logger().error("failed while letting go of something", exc_info=failure.exc_value)
