"""Programs of earlier commits, built once and kept in the cache."""

import fcntl
import os
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from support.servers import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "drawdown/versions"
KEPT = 6  # programs; older ones go
# From the one to the other, programs are of no use: a statement is not the one that they fill in.
BROKEN = ("98af37490514facc49068f04b3fbbc62f75bc730", "0317eac7d10e7b7a3b09fcd6092e5b629035af5c")
OPTIONS = ("-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1", "-DBUILD_TESTING=OFF")


def _run(*command):
    return subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True).stdout


def commit_of(revision):
    """Its full name. Where the history does not reach so far the test is skipped, which the summary counts."""
    try:
        return _run("git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip(
            f"no commit {revision} here, so no earlier program to test with: clone with history (git fetch --unshallow)"
        )


def commit_before(path):
    """The one before the newest that changed something there."""
    try:
        newest = _run("git", "log", "-1", "--format=%H", "--", path).decode().strip()
    except (subprocess.CalledProcessError, FileNotFoundError):
        newest = "HEAD"  # no repository: commit_of says so
    assert newest, f"no commit has {path}"
    before = commit_of(f"{newest}~1")
    is_broken = _is_ancestor(BROKEN[0], before) and _is_ancestor(before, BROKEN[1])
    return commit_of(f"{BROKEN[0]}~1") if is_broken else before


def _is_ancestor(older, newer):
    return subprocess.run(["git", "merge-base", "--is-ancestor", older, newer], cwd=ROOT, check=False).returncode == 0


def program_of(commit):
    """Builds `drawdown` as it was, unless the cache has it."""
    program = CACHE / commit / "drawdown"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(commit, program)
        os.utime(program.parent)
        for other in sorted(CACHE.glob("*/drawdown"), key=lambda path: path.parent.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(other.parent)
    return program


def _build(commit, program):
    """At one place for all commits, so that a compiler's cache finds what they share."""
    source, tree = CACHE / "source", CACHE / "build"
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(fileobj=BytesIO(_run("git", "archive", commit))) as archive:
        archive.extractall(source, filter="data")
    _run("cmake", "-G", "Ninja", "-S", source, "-B", tree, *OPTIONS)
    _run("cmake", "--build", tree, "--target", "drawdown")
    program.parent.mkdir(exist_ok=True)
    shutil.move(tree / "drawdown", program)
    shutil.rmtree(source)
    shutil.rmtree(tree)
