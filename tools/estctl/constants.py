"""Writes the constants of pki/ where they are used, before the library is compiled to .mpy.

mpy-cross does so within a module: `_TAG = const(4)` costs nothing. Across modules a constant would
be a name that stays in the heap for ever, an entry in a dict, and two steps at each use. A module
of which nothing else is used is not imported any more.
"""

import ast
import re
from collections.abc import Iterator


def inlined(sources: dict[str, str]) -> dict[str, str]:
    """Return the whole library with the public const() of pki/ at their places.

    sources: the text of each module, by its path in the library. Lines stay where they are. Others
    than the library's modules do not find these names in what is compiled.
    """
    known = {}
    for module, text in sources.items():
        if module.startswith("pki/"):
            known[module.removeprefix("pki/").removesuffix(".py")] = dict(_constants(text))
    return {module: _Module(text, module, known).text() for module, text in sources.items()}


def _constants(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, literal) of a module's public constants."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            (target,), call = node.targets, node.value
            constant = isinstance(call.func, ast.Name) and call.func.id == "const"
            if constant and isinstance(target, ast.Name) and target.id[0] != "_":
                yield target.id, repr(ast.literal_eval(call.args[0]))


class _Module:
    """One module's text, changed from its end on, so that what is left keeps its place."""

    def __init__(self, text: str, module: str, known: dict[str, dict[str, str]]) -> None:
        self._lines = text.splitlines(keepends=True)
        self._tree = ast.parse(text)
        self._known = known
        self._own = known.get(module.removeprefix("pki/").removesuffix(".py"), {})
        self._own = self._own if module.startswith("pki/") else {}
        self._parents = {
            child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)
        }

    def text(self) -> str:
        """Return the text as it is compiled."""
        changes: list[tuple[ast.expr | ast.stmt, str]] = []
        imported = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(self._tree)
            if isinstance(node, ast.ImportFrom) and node.module == "pki"
            for alias in node.names
            if alias.name in self._known
        }
        gone: set[str] = set()  # modules of which constants are used
        others: set[str] = set()  # and those of which something else is
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.Name):
                continue
            if node.id in self._own:
                changes.append((node, "_" + node.id))  # mpy-cross leaves no trace of it
            elif node.id in imported:
                use = self._parents[node]
                attribute = use.attr if isinstance(use, ast.Attribute) else ""
                literal = self._known[imported[node.id]].get(attribute)
                if literal is None:
                    others.add(node.id)
                else:
                    assert isinstance(use, ast.Attribute)
                    changes.append((use, literal))
                    gone.add(node.id)
        gone -= others
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module == "pki":
                changes += self._without(node, gone)
        for node, new in sorted(
            changes, key=lambda each: -each[0].lineno * 1000 - each[0].col_offset
        ):
            self._replace(node, new)
        return "".join(self._lines)

    def _without(self, node: ast.ImportFrom, gone: set[str]) -> Iterator[tuple[ast.stmt, str]]:
        """Yield the change that an import needs where modules of it are not used any more."""
        names = [alias for alias in node.names if (alias.asname or alias.name) not in gone]
        if len(names) < len(node.names):
            left = ", ".join(alias.name + _as(alias.asname) for alias in names)
            yield node, f"from pki import {left}" if left else "pass"

    def _replace(self, node: ast.expr | ast.stmt, new: str) -> None:
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        head = self._lines[first].encode()[: node.col_offset].decode()
        tail = self._lines[last].encode()[node.end_col_offset :].decode()
        if isinstance(node, ast.ImportFrom) and "noqa" in tail:
            tail = re.sub("#.*", "", tail)
        # An import over several lines leaves as many.
        self._lines[first : last + 1] = [head + new + tail] + ["\n"] * (last - first)


def _as(name: str | None) -> str:
    return f" as {name}" if name else ""
