"""Formulas of one variable, as text, read by a strict whitelist.

Grammar: ``+ - * / **``, parentheses, decimal numbers, ``pi``, the variable (``x`` or ``t``), and
``sin cos tan exp log sqrt abs tanh`` of one argument; nothing else. Python's own parser makes the
tree, and a node that is not on the list is refused: nothing is ever evaluated as code.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from solver.kernels import Array

MAX_LENGTH = 1000
MAX_NODES = 300
KEPT = 64  # trees, of the formulas parsed last

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "tanh": np.tanh,
}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_CHARACTERS = re.compile(r"[0-9A-Za-z.+\-*/() ]*")
_OTHER_BASES = re.compile(r"(?<![A-Za-z0-9])0[xXoObB]")


@lru_cache(KEPT)
def parse(text: str, variable: str) -> ast.expr:
    """The syntax tree of `text`, a formula of `variable`.

    Raises ValueError with the column and what is not allowed there.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    allowed = _CHARACTERS.match(text)
    if allowed is None or allowed.end() < len(text) or _OTHER_BASES.search(text):
        column = 1 if allowed is None else allowed.end() + 1
        raise ValueError(f"not part of the grammar at column {column}")
    indent = len(text) - len(text.lstrip())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        nodes = list(ast.walk(tree))
    except SyntaxError as error:
        column = indent + (error.offset or 1)
        raise ValueError(f"not a formula: error at column {column}") from None
    except (RecursionError, MemoryError, ValueError):
        raise ValueError("too deeply nested") from None
    if len(nodes) > MAX_NODES:
        raise ValueError(f"an expression has at most {MAX_NODES} parts, this one {len(nodes)}")
    for node in nodes:
        if hasattr(node, "col_offset"):
            node.col_offset += indent
        _refuse_unlisted(node, variable)
    _refuse_bare_functions([tree])
    return tree


def evaluate(tree: ast.expr, variable: str, s: Array) -> Array:
    """The formula's values at `s`; infinities and NaN are left for the caller to report."""
    with np.errstate(all="ignore"):
        value = _value(tree, {variable: s, "pi": np.float64(np.pi)})
    return np.array(np.broadcast_to(value, s.shape), dtype=np.float64)


def _value(node: ast.AST, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number)  # a NumPy scalar: an overflow is inf, not an exception
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=op, operand=operand):
            return OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return FUNCTIONS[name](_value(argument, names))
        case _:
            raise AssertionError(f"unlisted node {node!r}")


def _refuse_unlisted(node: ast.AST, variable: str) -> None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not np.isfinite(float(number) if abs(number) < 1e308 else np.inf):
                raise ValueError(f"number out of range at column {node.col_offset + 1}")
        case ast.Name(id=name):
            if name not in {variable, "pi"} and name not in FUNCTIONS:
                raise ValueError(
                    f"unknown name {name[:64]!r} at column {node.col_offset + 1}: "
                    f"an expression here knows {variable}, pi and {' '.join(FUNCTIONS)}"
                )
        case ast.BinOp() | ast.UnaryOp() | ast.Load() | ast.operator() | ast.unaryop():
            if isinstance(node, ast.operator | ast.unaryop) and type(node) not in OPERATORS:
                raise ValueError(f"the operator {type(node).__name__} is not part of the grammar")
            operands = [
                child for child in ast.iter_child_nodes(node) if isinstance(child, ast.Name)
            ]
            _refuse_bare_functions(operands)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            _refuse_bare_functions([argument])
        case ast.Call():
            raise ValueError(f"not a function of one argument at column {node.col_offset + 1}")
        case _:
            column = getattr(node, "col_offset", 0) + 1
            raise ValueError(f"not part of the grammar at column {column}")


def _refuse_bare_functions(operands: list[Any]) -> None:
    for operand in operands:
        if isinstance(operand, ast.Name) and operand.id in FUNCTIONS:
            raise ValueError(f"{operand.id} needs an argument at column {operand.col_offset + 1}")
