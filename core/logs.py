"""Log lines as events with keys, on a terminal or as JSON, by one formatter for every library.

A line says what happened (`job_claimed`) and carries its keys (`job_id=7`). Fields that belong to
every line of a job are bound with `bound` for as long as the job runs; a helper thread gets them
by `carried`, because threads start with nothing bound.
"""

from __future__ import annotations

import contextvars
import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TextIO, TypeVar

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["console", "json"]

P = ParamSpec("P")
Result = TypeVar("Result")

bound = bound_contextvars
"""A context manager that binds fields to every line that its thread logs meanwhile."""


def get_logger(name: str) -> BoundLogger:
    """The logger of a module. Nothing needs to be configured before it is used."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger


def configure(log_format: LogFormat, *, stream: TextIO | None = None, **fields: Any) -> None:
    """Send every line of this process, of libraries too, to one stream.

    Args:
        log_format: `console` for people, `json` for programs: one object a line.
        stream: where the lines go; None: standard error.
        fields: what each line of this process carries, such as the worker's name.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(log_format, fields, use_color=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def carried(function: Callable[P, Result]) -> Callable[P, Result]:
    """The function, to be called once in another thread, with the fields bound in this one."""
    context = contextvars.copy_context()

    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        return context.run(function, *args, **kwargs)

    return call


def _formatter(
    log_format: LogFormat, fields: dict[str, Any], *, use_color: bool
) -> ProcessorFormatter:
    def with_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**fields, **event}

    shared: list[Processor] = [
        merge_contextvars,
        with_fields,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if log_format == "json":
        last = [
            structlog.processors.format_exc_info,  # without the values of variables
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last = [
            _without_controls,
            structlog.dev.ConsoleRenderer(
                colors=use_color, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    return ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[*shared, ProcessorFormatter.remove_processors_meta, *last],
    )


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and line feed, which the console's own format takes care of."""


def _without_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write control characters as escapes: what a stranger sent must not act on a terminal."""
    return {
        name: _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }
