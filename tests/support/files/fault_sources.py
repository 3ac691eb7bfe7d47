"""The problems, remedies and subjects of faults as the code words them, found by reading it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BLANK = "\N{SYMBOL FOR NULL}"  # stands for what is filled in
_KINDS = ("problem", "remedy")
# Calls that fill in what is not ours: values, names, rows; and those that put a suggestion behind a remedy.
_FILLS_IN = {"quote_value", "escape_text", "join", "list_rows", "str", "format", "_shown", "_number", "in_currency"}
_SUGGESTS = {"suggest", "_nearest"}
# They build texts from parts that no reading of them puts together: the tests have examples of what they say.
BUILDERS = {"_range_doubt", "_check_lengths", "_check_calendar_text", "_range_remedy", "_reword"}
_Function = ast.FunctionDef
_Known = tuple[tuple[str, str], ...]  # names that are being worked out, each with its function


class FaultSources:
    """The code of the packages, and the texts of faults in it."""

    def __init__(self) -> None:
        self._functions: dict[str, list[tuple[Path, _Function]]] = {}
        self._constants: dict[str, list[tuple[Path, ast.expr]]] = {}
        self._above: dict[ast.AST, ast.AST] = {}
        self._classes: list[ast.ClassDef] = []
        self._trees = {}
        for path in (
            path for name in ("network_data", "scenarios", "optimizer") for path in (ROOT / name).rglob("*.py")
        ):
            self._trees[path] = tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                self._above |= dict.fromkeys(ast.iter_child_nodes(node), node)
                if isinstance(node, _Function):
                    self._functions.setdefault(node.name, []).append((path, node))
                elif isinstance(node, ast.ClassDef):
                    self._classes.append(node)
            for node in tree.body:
                for name, value, _ in _assigned(node):
                    self._constants.setdefault(name, []).append((path, value))
        self._places = self._find_places()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Go through the texts, each with where it is given."""
        for path, tree in self._trees.items():
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                is_built = BUILDERS & {function.name for function in self._around(call)}
                for text in () if is_built else self._given(call, path):
                    # What a condition rules out is left over: nothing, or a sentence without its end.
                    if text.replace(BLANK, "").strip() and not text.endswith(" ") and "  " not in text:
                        yield text, where

    def _given(self, call: ast.Call, path: Path) -> Iterator[str]:
        name, count = _name_of(call), len(call.args)
        places = self._places.get(name, [])
        if name == "add" and count < 3:
            # Of sets, unless it is short for that of a list of faults.
            places = [{"problem": 0, "remedy": 1}] if isinstance(call.func, ast.Name) and count == 2 else []
        if name == "ValueError":
            places = [{"problem": 0, "remedy": 1}] if count == 2 else []
        for place in places:
            for kind, position in place.items():
                given = next((word.value for word in call.keywords if word.arg == kind), None)
                if given is None and position is not None and position < count:
                    given = call.args[position]
                if given is not None and not isinstance(given, ast.Starred):
                    yield from self._values(given, path, ())

    def _find_places(self) -> dict[str, list[dict[str, int | None]]]:
        """Find who takes a problem or a remedy, and in which place."""
        places: dict[str, list[dict[str, int | None]]] = {
            "Fault": [{"problem": 4, "remedy": 5}], "FaultList": [{"subject": 0}], "InputError": [{"subject": 1}],
        }  # fmt: skip
        for name, functions in self._functions.items():
            for _, function in functions:
                positional = function.args.posonlyargs + function.args.args
                texts = [
                    argument
                    for argument in positional + function.args.kwonlyargs
                    if argument.arg in _KINDS and argument.annotation and ast.unparse(argument.annotation) == "str"
                ]
                if not texts:
                    continue
                above = self._above[function]
                called = above.name if name == "__init__" and isinstance(above, ast.ClassDef) else name
                skip = int(positional[0].arg in {"self", "cls"})
                places.setdefault(called, []).append(
                    {text.arg: positional.index(text) - skip if text in positional else None for text in texts}
                )
        for found in self._classes:
            for base in found.bases:
                if isinstance(base, ast.Name) and base.id in places:
                    places.setdefault(found.name, places[base.id])
        return places

    def _around(self, node: ast.AST) -> list[_Function]:
        found = []
        while (node := self._above.get(node, node)) in self._above:
            if isinstance(node, _Function):
                found.append(node)
        return found

    def _values(self, node: ast.expr, path: Path, known: _Known) -> set[str]:  # noqa: PLR0911 - one for each kind
        """Find the texts that an expression may be."""
        if isinstance(node, ast.Constant):
            return {node.value if isinstance(node.value, str) else BLANK}
        if isinstance(node, ast.JoinedStr):
            parts = [
                self._values(part.value, path, known)
                if isinstance(part, ast.FormattedValue) and part.format_spec is None and part.conversion == -1
                else {str(part.value) if isinstance(part, ast.Constant) else BLANK}
                for part in node.values
            ]
            return {"".join(choice) for choice in itertools.product(*parts)}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            ends = (self._values(node.left, path, known), self._values(node.right, path, known))
            return {first + second for first, second in itertools.product(*ends)}
        if isinstance(node, ast.IfExp):
            return self._values(node.body, path, known) | self._values(node.orelse, path, known)
        if isinstance(node, ast.BoolOp):
            given = node.values if isinstance(node.op, ast.Or) else node.values[-1:]
            nothing = set() if isinstance(node.op, ast.Or) else {""}
            return nothing.union(*(self._values(value, path, known) for value in given))
        if isinstance(node, ast.NamedExpr):
            return self._values(node.value, path, known)
        if isinstance(node, ast.Call):
            return self._called(node, None, path, known)
        if isinstance(node, ast.Subscript):
            return self._held(node.value, path, known) or {BLANK}
        if isinstance(node, ast.Name):
            return self._named(node, path, known)
        return {BLANK}

    def _called(self, node: ast.Call, at: int | None, path: Path, known: _Known) -> set[str]:
        name = _name_of(node)
        if name in _SUGGESTS:
            return {""}
        if name == "get" and isinstance(node.func, ast.Attribute):
            return self._held(node.func.value, path, known) or {BLANK}
        functions = self._functions.get(name, [])
        functions = [found for found in functions if found[0] == path] or functions
        step = (str(path), f"{name}()")
        if name in _FILLS_IN | BUILDERS or len(functions) != 1 or step in known:
            return {BLANK}
        ((where, function),) = functions
        kind = ast.unparse(function.returns) if function.returns else ""
        if "str" not in kind:
            return {BLANK}
        returned = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None and self._around(node)[0] is function
        ]
        return set[str]().union(*(self._element(value, at, where, (*known, step)) for value in returned)) or {BLANK}

    def _element(self, node: ast.expr, at: int | None, path: Path, known: _Known) -> set[str]:
        """Find the texts that a member of a tuple may be; None for the expression itself."""
        if at is None:
            return self._values(node, path, known)
        if isinstance(node, ast.Tuple) and at < len(node.elts):
            return self._values(node.elts[at], path, known)
        if isinstance(node, ast.IfExp):
            return self._element(node.body, at, path, known) | self._element(node.orelse, at, path, known)
        return self._called(node, at, path, known) if isinstance(node, ast.Call) else {BLANK}

    def _held(self, node: ast.expr, path: Path, known: _Known) -> set[str]:
        """Find the texts in a dictionary."""
        if isinstance(node, ast.Name) and node.id in self._constants:
            where, value = self._of_module(node.id, path)
            return self._held(value, where, known)
        values = (
            [value for key, value in zip(node.keys, node.values, strict=True) if key]
            if isinstance(node, ast.Dict)
            else []
        )
        return set[str]().union(*(self._values(value, path, known) for value in values))

    def _of_module(self, name: str, path: Path) -> tuple[Path, ast.expr]:
        found = self._constants[name]
        return next((one for one in found if one[0] == path), found[0])

    def _named(self, node: ast.Name, path: Path, known: _Known) -> set[str]:
        for function in self._around(node):
            step = (f"{path}:{function.lineno}", node.id)
            if step in known:
                return {BLANK}
            steps = [found for part in ast.walk(function) for found in _assigned(part) if found[0] == node.id]
            if steps:
                found = set[str]().union(*(self._element(value, at, path, (*known, step)) for _, value, at in steps))
                added = [
                    self._values(part.value, path, (*known, step))
                    for part in ast.walk(function)
                    if isinstance(part, ast.AugAssign) and ast.unparse(part.target) == node.id
                ]
                return found | {text + more for text, more in itertools.product(found, set[str]().union(*added))}
            if node.id in {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}:
                return set() if node.id in _KINDS else {BLANK}
        if node.id not in self._constants:
            return {BLANK}
        where, value = self._of_module(node.id, path)
        return self._values(value, where, (*known, (str(where), node.id)))


def _name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr, int | None]]:
    """List the names that a statement gives values to, with the place in a tuple."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Tuple | ast.List):
        pairs = [(node.target, value) for value in node.iter.elts]
    for target, value in pairs:
        if isinstance(target, ast.Name):
            yield target.id, value, None
        elif isinstance(target, ast.Tuple):
            yield from ((part.id, value, at) for at, part in enumerate(target.elts) if isinstance(part, ast.Name))
