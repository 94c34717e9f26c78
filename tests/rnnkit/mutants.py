"""Every small mistake that can be made in a function, one at a time."""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Edit = tuple[str, str]


def edited(function: Callable, edits: Sequence[Edit]) -> Callable:
    """`function` with pieces of its source replaced. Each piece must be there exactly once."""
    source = _source(function)
    for old, new in edits:
        assert source.count(old) == 1, (
            f"{function.__qualname__} must contain {old!r} exactly once: "
            f"bring the list of mutations up to date.\n{source}"
        )
        source = source.replace(old, new)
    return _compiled(function, source)


def mutants(
    function: Callable, constants: Sequence[str] = (), every: int = 1
) -> Iterator[tuple[str, Callable]]:
    """The mutants of `function`, each with the line it changed.

    Operators change, operands and activations fall away, variables and attributes of self take each
    other's places, names are unpacked in another order, assignments are skipped, numbers shift.

    Args:
        constants: strings that take each other's places, the keys of a dict of weights.
        every: 1 gives all mutants, k every k-th.
    """
    original = ast.unparse(ast.parse(_source(function)))
    tree = ast.parse(original)
    names = sorted(
        {node.id for node in ast.walk(tree) if _is_name(node, ast.Store)}
        | {argument.arg for argument in tree.body[0].args.args if argument.arg != "self"}
    )
    attributes = sorted(
        {n.attr for n in ast.walk(tree) if _of_self(n) and n.attr not in ("dot", "scale", "shift")}
    )
    replacements = (
        (index, replacement)
        for index, node in enumerate(ast.walk(tree))
        for replacement in _replacements(node, names, attributes, constants)
    )
    for index, replacement in itertools.islice(replacements, 0, None, every):
        source = ast.unparse(_replaced(tree, index, replacement))
        if source != original:
            yield _changed_line(original, source), _compiled(function, source)


def _replacements(node: Any, names, attributes, constants) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp():
            yield from (node.left, node.right)
            for operator in (ast.Add, ast.Sub, ast.Mult):
                if not isinstance(node.op, (operator, ast.MatMult, ast.Pow)):
                    yield ast.BinOp(node.left, operator(), node.right)
        case ast.Call(func=ast.Attribute(attr="tanh" | "sigmoid" as name)):
            yield node.args[0]
            other = "tanh" if name == "sigmoid" else "sigmoid"
            yield ast.Call(ast.Attribute(node.func.value, other), node.args, [])
        case (
            ast.Call(func=ast.Name("sigmoid"))
            | ast.Call(func=ast.Attribute(attr="dot" | "scale" | "shift" | "activation"))
        ):
            yield node.args[0]
        case ast.Name(ctx=ast.Load()) if node.id in names:
            yield from (ast.Name(other) for other in names if other != node.id)
        case ast.Attribute() if _of_self(node) and node.attr in attributes:
            yield from (ast.Attribute(node.value, a) for a in attributes if a != node.attr)
        case ast.Attribute(attr="T"):
            yield node.value
        case ast.Constant(int()):
            yield from (ast.Constant(node.value + shift) for shift in (1, -1))
        case ast.Constant(str()) if node.value in constants:
            yield from (ast.Constant(other) for other in constants if other != node.value)
        case ast.Assign(targets=[ast.Tuple(elts=targets)]):
            for i, j in itertools.combinations(range(len(targets)), 2):
                order = list(targets)
                order[i], order[j] = order[j], order[i]
                yield ast.Assign([ast.Tuple(order)], node.value, lineno=node.lineno)
        case ast.Assign():
            yield ast.Pass()


def _replaced(tree: ast.AST, index: int, replacement: ast.AST) -> ast.AST:
    tree = copy.deepcopy(tree)
    target = next(itertools.islice(ast.walk(tree), index, None))

    class Replace(ast.NodeTransformer):
        def visit(self, node):
            return copy.deepcopy(replacement) if node is target else self.generic_visit(node)

    return Replace().visit(tree)


def _source(function: Callable) -> str:
    return textwrap.dedent(inspect.getsource(function))


def _compiled(function: Callable, source: str) -> Callable:
    """`source` in the place of `function`, and what that closes over: `super()` needs its class."""
    closed_over = function.__code__.co_freevars
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    whole = (
        f"def place({', '.join(closed_over)}):\n"
        f"{textwrap.indent(source, '    ')}\n"
        f"    return {function.__name__}\n"
    )
    space: dict[str, Any] = {}
    name = f"<mutant of {function.__qualname__}>"
    exec(compile(whole, name, "exec"), function.__globals__, space)
    return space["place"](*values)


def _changed_line(old: str, new: str) -> str:
    pairs = itertools.zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    return next(f"{a.strip()}  ->  {b.strip()}" for a, b in pairs if a != b)


def _is_name(node: ast.AST, context: type) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)


def _of_self(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name("self")):
            return True
    return False
