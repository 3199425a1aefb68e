"""Text within text, as each database finds it fastest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class holds(FunctionElement[bool]):  # noqa: N801  (reads as a function of SQL)
    """Whether a column holds a text, as it is: no character of it stands for others.

    A LIKE takes twice as long on PostgreSQL.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: QueryableAttribute[str] | ColumnElement[str], text: str) -> None:
        super().__init__(column, literal(text, String))


def holds_in_any_case(column: QueryableAttribute[str], text: str) -> ColumnElement[bool]:
    """Whether a column holds a text, in capital or small letters, of any alphabet.

    A letter counts for another where both are one letter of the two cases: `ä` for `Ä`, and not
    `ss` for `ß`. What the databases take for letters is not asked: SQLite knows those of ASCII
    alone, and PostgreSQL those of the language that it was set up with.
    """
    small = "".join(map(_small, text))
    capitals = {capital: letter for letter in small for capital in _capitals(letter)}
    return holds(_lowered(column, "".join(capitals), "".join(capitals.values())), small)


def _small(letter: str) -> str:
    lowered = letter.lower()
    return lowered if len(lowered) == 1 else letter


def _capitals(letter: str) -> set[str]:
    """The other letters that count for a small one; those of ASCII each database knows."""
    if letter.isascii():
        return set()
    return {each for each in (letter.upper(), letter.title()) if _small(each) == letter != each}


class _lowered(FunctionElement[str]):  # noqa: N801
    """A column with small letters for the capitals of ASCII, and for some others."""

    type = String()
    inherit_cache = True

    def __init__(self, column: Any, capitals: str, letters: str) -> None:
        super().__init__(column, literal(capitals, String), literal(letters, String))


@compiles(_lowered, "postgresql")
def _lowered_postgresql(element: _lowered, compiler: SQLCompiler, **options: Any) -> str:
    column, capitals, letters = (compiler.process(each, **options) for each in element.clauses)
    return f'translate(lower({column} COLLATE "C"), {capitals}, {letters})'


@compiles(_lowered, "sqlite")
def _lowered_sqlite(element: _lowered, compiler: SQLCompiler, **options: Any) -> str:
    column, capitals, letters = (compiler.process(each, **options) for each in element.clauses)
    return f"translate(lower({column}), {capitals}, {letters})"


def translate(text: str, capitals: str, letters: str) -> str:
    """What PostgreSQL calls so, for SQLite, which has no such function."""
    return text.translate(str.maketrans(capitals, letters)) if capitals else text


@compiles(holds, "postgresql")
def _holds_postgresql(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"


@compiles(holds, "sqlite")
def _holds_sqlite(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"
