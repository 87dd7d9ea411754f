"""The commands `deploy`, `device-status` and `erase-identity`: a real board at a serial port."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import est
import est_errors
import typer
from devid import settings as device_settings
from pki import csr_parts
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from estctl import library, options, output, simulation
from estctl.board import Board
from estctl.flash import library_folder

# Lists what was deployed to /lib, so that a later version knows what to remove.
_LIST = "/lib/est_files.txt"
_SETTINGS = "/device.json"
_SPARE_BLOCKS = 8  # what has to stay free: the identity is written twice, and takes a folder
_NAMED = 12  # files that are named to a person; more are counted
_FOLDER_BLOCKS = 2  # of a new folder, on littlefs

Port = Annotated[
    str, typer.Option("--port", help="The board's serial port, such as /dev/ttyACM0.")
]


@dataclass
class Plan:
    """What a deployment does: file names on the board, whole paths."""

    copy: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    unchanged: int = 0


def deploy(
    port: Port,
    board: Annotated[
        str, typer.Option("--board", help="Whose board_config: a folder of boards/.")
    ],
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="Becomes the board's device.json, with the files that it names; without it the "
            "board's own stays.",
        ),
    ] = None,
    library_only: Annotated[
        bool, typer.Option("--library-only", help="Leave boot.py, main.py and wifi.py alone.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Put library, firmware and settings onto a board: what changed, each file whole or not.

    The board's identity, and files that are not of this project, stay. Then main.py is started.
    Where the firmware has the library frozen in, the library's files are not copied, but removed.
    """
    try:
        library.board_config(board)
        given = _settings_files(settings) if settings is not None else {}
        with Board(port, restart=True) as chip:
            wanted = {**_board_files(board, library_only, chip.march()), **given}
            values = _deploy(chip, wanted, as_json)
    except est_errors.EstError as error:
        output.fail(error, as_json)
    if not as_json and len(values["copied"]) > _NAMED:
        values["copied"] = f"{len(values['copied'])} files"
    output.report(values, as_json, f"Deployed to {port}")


def device_status(port: Port, as_json: options.Json = False) -> None:
    """Show a board's identity. Its program is stopped for that, and started anew afterwards."""
    try:
        with Board(port, restart=True) as chip:
            values = chip.run(
                "from devid import DeviceIdentity\n"
                f"print(DeviceIdentity.from_settings({_SETTINGS!r}).status())"
            )
    except est_errors.EstError as error:
        output.fail(error, as_json)
    for name in ("not_before", "not_after"):
        if name in values:
            values[name] = output.when(values[name])
    for part in ("next", "pending"):
        for name in ("when", "until"):
            if values.get(part, {}).get(name):
                values[part][name] = output.when(values[part][name])
    output.report(values, as_json, f"The identity of the board at {port}")


def erase_identity(
    port: Port,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder", help="Folder of the identity.", show_default="as device.json says"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Erase a board's key, certificate and trust anchors. Its program stays stopped."""
    try:
        if not yes:
            _confirm(port, as_json)
        with Board(port) as chip:
            if folder is None:
                code = f"print(repr(settings.load({_SETTINGS!r}).storage))"
                folder = str(chip.run("from devid import settings\n" + code))
            folder = "/" + folder.strip("/")
            had = bool(chip.sizes(folder))
            chip.run(f"from devid.store import Store\nStore({folder!r}).erase()")
            if any(name.endswith(".slot") for name in chip.sizes(folder)):
                raise est_errors.StorageError(f"{folder} still holds an identity", "erase")
    except est_errors.EstError as error:
        output.fail(error, as_json)
    values = {"folder": folder, "erased": had}
    if not as_json and had:
        values["next"] = (
            "a new identity needs a new one-time password or token: estctl deploy --settings"
        )
    output.report(values, as_json, "Erased" if had else "There was no identity")


def _confirm(port: str, as_json: bool) -> None:
    """Ask a person. Raises ConfigError where there is none, or who says no."""
    try:
        agreed = not as_json and typer.confirm(
            f"Erase the identity of the board at {port} for good?", err=True
        )
    except typer.Abort:
        agreed = False
    if not agreed:
        raise est_errors.ConfigError(
            "nothing was erased: that takes --yes, or a person who agrees"
        )


def _board_files(board: str, library_only: bool, march: str) -> dict[str, bytes]:
    """Return what belongs onto a board, compiled: whole path and content. Raises ConfigError.

    march: its processor, as mpy-cross calls it; "" where it takes no machine code.
    """
    folder = library_folder(board, march or "mpy")
    simulation.prepare(folder, board, True, march)
    found = {}
    for path in sorted(folder.rglob("*")):
        name = "/" + path.relative_to(folder).as_posix()
        if path.is_file() and (name.startswith("/lib/") or not library_only):
            found[name] = path.read_bytes()
    names = [name for name in found if name.startswith("/lib/")]
    found[_LIST] = "".join(name + "\n" for name in names).encode()
    return found


def _settings_files(path: Path) -> dict[str, bytes]:
    """Return device.json and the files that it names. Raises ConfigError where one is wrong."""
    content, values, filled = _json(path)
    found = {}
    for group, name in _named_files(values):
        source = path.parent / values[group][name].lstrip("/")
        try:
            found["/" + values[group][name].lstrip("/")] = source.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a name that can be none
            raise est_errors.ConfigError(
                f"--settings {path} names {values[group][name]!r}, which has to be beside it: "
                f"{getattr(error, 'strerror', error)}"
            ) from None
        filled[group][name] = str(source)
    _check(device_settings.parse(filled))
    found[_SETTINGS] = content
    return found


def _json(path: Path) -> tuple[bytes, Any, Any]:
    """Return a settings file, what it says, and that with a board's names filled in.

    Raises ConfigError where a board could not read it.
    """
    try:
        content = path.read_bytes()
        text = content.decode()
        if text.startswith("\ufeff"):
            raise UnicodeError
        values = json.loads(text)
        return content, values, json.loads(options.filled(json.dumps(values)))
    except OSError as error:
        reason = f": {error.strerror}"
    except UnicodeError:
        reason = " is not UTF-8 without a byte order mark"
    except (ValueError, RecursionError) as error:
        reason = f" is not JSON: {error}"
    raise est_errors.ConfigError(f"--settings {path}{reason}")


def _check(wanted: Any) -> None:
    """Raise ConfigError where a board could make no client, or no request, of its settings."""
    for name, more in (
        ("url", {}),
        ("trust", {"fingerprint": wanted.fingerprint}),
        ("credential", {"user": wanted.user, "password": wanted.password}),
        ("credential", {"psk": wanted.psk, "certificate": wanted.certificate, "key": wanted.key}),
    ):
        try:
            est.Client(wanted.host, wanted.port, wanted.label, ask=True, **more)
        except est_errors.ConfigError as error:
            raise est_errors.ConfigError(f"settings: {name}: {error.message}") from None
    csr_parts.parts(wanted.subject, wanted.san, wanted.key_usage, wanted.ext_key_usage)


def _named_files(values: Any) -> Iterator[tuple[str, str]]:
    """Yield (group, name) of each setting that is the name of a file."""
    for group, names in (
        ("trust", ("anchors", "implicit")),
        ("credential", ("certificate", "key")),
    ):
        inner = values.get(group) if isinstance(values, dict) else None
        for name in names:
            if isinstance(inner, dict) and isinstance(inner.get(name), str):
                yield group, name


def _deploy(chip: Board, wanted: dict[str, bytes], as_json: bool) -> dict[str, Any]:
    """Bring the board to what is wanted; return what to report."""
    ours = set(wanted)
    frozen = chip.has_frozen("est_errors")
    if frozen:  # the firmware's library comes before the one in /lib
        wanted = {name: content for name, content in wanted.items() if not _is_frozen(name)}
    present = {
        f"{folder}/{name}": size
        for folder in ["", *_folders(ours)]
        for name, size in chip.sizes(folder or "/").items()
    }
    plan = _plan(chip, wanted, ours, present)
    folders = _folders(wanted)
    new_folders = [
        folder for folder in folders if not any(name.startswith(folder + "/") for name in present)
    ]
    _check_room(chip, wanted, present, plan, len(new_folders))
    for name in plan.remove:
        chip.remove(name)
    for folder in folders:
        chip.make_folder(folder)
    total = sum(len(wanted[name]) for name in plan.copy)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=output.console,
        disable=as_json or not plan.copy,
        transient=True,
    ) as progress:
        task = progress.add_task("copying", total=total)
        for name in plan.copy:
            progress.update(task, description=name)
            chip.write(name, wanted[name], lambda count: progress.advance(task, count))
    kept = any(name in present for name in (_SETTINGS, _SETTINGS + ".new"))
    none = "none" if as_json else "none: give --settings"
    return {
        "library": "in the firmware" if frozen else "in /lib",
        "copied": plan.copy,
        "removed": plan.remove,
        "unchanged": plan.unchanged,
        "bytes": total,
        "settings": "given" if _SETTINGS in wanted else "kept" if kept else none,
        "free_bytes": chip.room()[1],
    }


def _folders(names: Iterable[str]) -> list[str]:
    """Return the folders of files, but for the root; a folder comes before those in it."""
    return sorted({name.rpartition("/")[0] for name in names} - {""})


def _is_frozen(name: str) -> bool:
    """Tell whether firmware/manifest.py freezes a file of ours, and so takes its place."""
    return name.startswith("/lib/") or name == "/wifi.py"


def _plan(chip: Board, wanted: dict[str, bytes], ours: set[str], present: dict[str, int]) -> Plan:
    """Compare what is wanted with what is there, by size and then by SHA-256.

    ours: the files of the project, also those that are not wanted.
    """
    plan = Plan()
    for name, content in wanted.items():
        if (
            present.get(name) == len(content)
            and chip.sha256(name) == hashlib.sha256(content).hexdigest()
        ):
            plan.unchanged += 1
        else:
            plan.copy.append(name)
    # Last come settings, and the list: what it names is there.
    plan.copy.sort(key=lambda name: (name == _LIST, name == _SETTINGS))
    listed = set()
    if _LIST in present:
        lines = chip.run(f"f = open({_LIST!r}); print(f.read().split()); f.close()")
        listed = {line for line in lines if line.startswith("/lib/")}
    plan.remove = sorted(_stale(wanted, ours, present, listed))
    return plan


def _stale(
    wanted: dict[str, bytes], ours: set[str], present: dict[str, int], listed: set[str]
) -> set[str]:
    """Return the files of ours that are not wanted any more.

    Under /lib they are what an earlier deployment listed, all Python in our packages, and a module
    of ours in its other form: est.py would be loaded instead of est.mpy.
    """
    modules = {name.rpartition(".")[0] for name in ours if name.startswith("/lib/")}
    packages = {name.rpartition("/")[0] for name in ours if name.count("/") > 2}
    found = set()
    for name in present:
        stem, _, suffix = name.removesuffix(".part").rpartition(".")
        in_package = name.rpartition("/")[0] in packages and name.startswith("/lib/")
        is_module = suffix in ("py", "mpy") and (in_package or stem in modules)
        if name not in wanted and (name in ours or name in listed or is_module):
            found.add(name)
    return found


def _check_room(
    chip: Board, wanted: dict[str, bytes], present: dict[str, int], plan: Plan, new_folders: int
) -> None:
    """Raise StorageError where what is to be copied will not fit; nothing has changed then."""
    if not plan.copy:
        return
    block, free = chip.room()

    def taken(size: int) -> int:
        return -(-max(size, 1) // block) * block

    start = free
    free += sum(taken(present[name]) for name in plan.remove)
    free -= new_folders * _FOLDER_BLOCKS * block
    least = free
    for name in plan.copy:
        free -= taken(len(wanted[name]))  # beside the old one
        least = min(least, free)
        free += taken(present[name]) if name in present else 0
    missing = _SPARE_BLOCKS * block - least
    if missing > 0:
        raise est_errors.StorageError(
            f"the board has {start // 1024} KiB free, and {-(-missing // 1024)} KiB too few: "
            "remove files of yours, or build the library into the firmware "
            "(boards/*/manifest.py); nothing was changed",
            "room",
        )
