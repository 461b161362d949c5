#!/usr/bin/env python3
"""Fetch the native libraries that Pupil builds against and runs with, once, into `.native/`.

Usage: fetch.py onnxruntime | libtorch ...

Each library comes out of Python wheels pinned by SHA-256 in the lock file beside this script. pip does the download,
so its own configuration (index, proxy, certificates) holds; nothing of Python is needed afterwards. A library appears
under its final name complete or not at all, with a stamp of the lock file it was made from.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent.parent / ".native"

# Raise this when what is taken from the wheels changes, so that older folders are made again.
LAYOUT = 1

# The libraries inside do not depend on Python; one wheel version is named so that every machine gets the same bytes.
PYTHON_VERSION = "3.11"
MANYLINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_25", "manylinux_2_17", "manylinux2014")
MACHINES = {"onnxruntime": ("x86_64", "aarch64"), "libtorch": ("x86_64",)}

# Free disk that a fetch needs at its peak: the wheels, pip's copy of the largest, and what is taken from them.
PEAK_BYTES = {"onnxruntime": 120 << 20, "libtorch": 1800 << 20}

TORCH_LIBRARIES = ("libc10.so", "libtorch_cpu.so", "libgomp.so.1")


class FetchError(Exception):
    """A failed fetch: what went wrong in one line, and what mends it."""

    def __init__(self, message, hint):
        super().__init__(message)
        self.hint = hint


def main(names):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not names or any(name not in MACHINES for name in names):
        print("usage: fetch.py [%s]..." % " | ".join(MACHINES), file=sys.stderr)
        return 2
    try:
        for name in names:
            if not overridden(name):
                provide(name)
    except FetchError as error:
        return report(error, error.hint)
    except OSError as error:
        return report("cannot write `%s`: %s" % (error.filename or NATIVE, error.strerror), hint_for(error))
    except KeyboardInterrupt:
        return 130
    return 0


def report(message, hint):
    print("error: %s\nhint: %s" % (message, hint), file=sys.stderr)
    return 2


def hint_for(error):
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some disk space and run the same command again"
    return "make the checkout writable, or set LIBTORCH and ORT_DYLIB_PATH to libraries of your own"


def overridden(name):
    """Whether the user brings this library; a path that cannot be right is refused here rather than by the linker."""
    if name == "onnxruntime":
        own = os.environ.get("ORT_DYLIB_PATH")
        if own and not Path(own).is_file():
            raise FetchError("ORT_DYLIB_PATH: expected a file, found none at `%s`" % own,
                             "name a libonnxruntime.so of 1.32, or unset ORT_DYLIB_PATH to have it fetched")
        return bool(own)
    own = os.environ.get("LIBTORCH")
    if own and not (os.path.isabs(own) and (Path(own) / "lib" / "libtorch_cpu.so").is_file()):
        raise FetchError("LIBTORCH: expected an absolute path to a folder with `lib/libtorch_cpu.so`, found `%s`" % own,
                         "name an unpacked libtorch 2.11.0, or unset LIBTORCH to have it fetched")
    return bool(own or os.environ.get("LIBTORCH_USE_PYTORCH"))


def provide(name):
    lock, target = HERE / (name + ".lock"), NATIVE / name
    stamp = "%s layout %d machine %s\n" % (hashlib.sha256(lock.read_bytes()).hexdigest(), LAYOUT, platform.machine())
    if is_complete(target, stamp):
        return
    check_machine(name)
    NATIVE.mkdir(exist_ok=True)
    with exclusive():
        if is_complete(target, stamp):
            return
        remove_leftovers()
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=str(NATIVE)) as scratch:
            started = time.monotonic()
            print("fetching %s (once, into .native/%s)" % (name, name), file=sys.stderr)
            check_space(name)
            fresh = Path(scratch) / name
            for wheel in download(lock, Path(scratch)):
                extract(wheel, fresh)
                wheel.unlink()
            if name == "libtorch":
                finish_libtorch(fresh)
            (fresh / "stamp").write_text(stamp)
            install(fresh, target, Path(scratch))
            print("fetched %s in %.0f s" % (name, time.monotonic() - started), file=sys.stderr)


def is_complete(target, stamp):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return (target / "stamp").read_text() == stamp
    return False


def check_machine(name):
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in MACHINES[name]:
        own = {"onnxruntime": "ORT_DYLIB_PATH", "libtorch": "LIBTORCH"}[name]
        raise FetchError("%s: expected Linux on %s, found %s on %s" % (name, " or ".join(MACHINES[name]), system, machine),
                         "install it yourself and set %s" % own)
    if importlib.util.find_spec("pip") is None:
        raise FetchError("`%s` has no pip module, which fetches %s" % (sys.executable, name),
                         "apt-get install python3-pip")


def check_space(name):
    free = shutil.disk_usage(str(NATIVE)).free
    if free < PEAK_BYTES[name]:
        raise FetchError("%s: expected %d MB of free disk, found %d MB" % (name, PEAK_BYTES[name] >> 20, free >> 20),
                         "free some disk space and run the same command again")


@contextlib.contextmanager
def exclusive():
    """Holds the folder against a second fetch; the kernel lets go when the process dies in any way."""
    with open(str(NATIVE / "lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another fetch into .native to end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_leftovers():
    """Scratch folders of killed fetches: we hold the lock, so none of them is in use."""
    for scratch in NATIVE.glob("fetch-*"):
        shutil.rmtree(str(scratch), ignore_errors=True)


def download(lock, scratch):
    wheels = scratch / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
               "--disable-pip-version-check", "--require-hashes", "--requirement", str(lock), "--dest", str(wheels),
               "--implementation", "cp", "--abi", "cp311", "--abi", "none", "--python-version", PYTHON_VERSION]
    for tag in MANYLINUX:
        command += ["--platform", "%s_%s" % (tag, platform.machine())]
    if not sys.stderr.isatty():
        command.append("--quiet")
    # pip's own temporary files are as large as the wheels: they belong on the same disk and go with the scratch folder.
    environment = dict(os.environ, TMPDIR=str(scratch))
    done = subprocess.run(command, env=environment, stdout=sys.stderr, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise download_error(lock, done.stderr.decode(errors="replace"))
    return sorted(wheels.iterdir())


def download_error(lock, log):
    if "DO NOT MATCH THE HASHES" in log:
        return FetchError("a downloaded file has not the SHA-256 that `%s` expects" % lock.name,
                          "do not use that file: check your package index or proxy, then run the same command again")
    if "No space left" in log:
        return FetchError("the disk is full", "free some disk space and run the same command again")
    unreachable = ("NewConnectionError", "ConnectTimeout", "ReadTimeout", "ConnectionResetError", "ProxyError",
                   "SSLError", "NameResolutionError", "IncompleteRead", "timed out", "Connection broken")
    if any(word in log for word in unreachable):
        return FetchError("the package index of pip did not answer (no network, or a proxy in between)",
                          "`python3 -m pip config list` shows what pip uses; run the same command again once it answers")
    lines = [line for line in log.splitlines() if line.startswith("ERROR")] or log.splitlines() or ["no message"]
    return FetchError("pip could not download `%s`: %s" % (lock.name, lines[-1]),
                      "`python3 -m pip config list` shows the index that pip uses; it must carry these versions")


def extract(wheel, folder):
    with zipfile.ZipFile(str(wheel)) as archive:
        for member in archive.namelist():
            place = place_of(member)
            if place is not None:
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(str(path), "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


def place_of(member):
    """Where a wheel's member goes inside the library's folder; None for what Pupil does not need."""
    package, name = member.split("/", 1)[0], member.rsplit("/", 1)[-1]
    if not name:
        return None
    if member.startswith("torch/include/"):
        return member[len("torch/"):]
    if ".dist-info/licenses/" in member and name.lower() in ("license", "license.txt", "notice"):
        return "licenses/%s/%s" % (package.split("-")[0], name)
    if member in ("onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"):
        return "licenses/" + name
    wanted = (member.startswith("onnxruntime/capi/libonnxruntime.so")
              or (member.startswith("torch/lib/") and name in TORCH_LIBRARIES)
              or (package == "nvidia" and name.startswith(("libcudart.so", "libcupti.so"))))
    return "lib/" + name if wanted else None


def finish_libtorch(folder):
    # torch-sys links `-ltorch`, whose original pulls in libtorch_cuda: a linker script stands in for it.
    (folder / "lib" / "libtorch.so").write_text("INPUT(-ltorch_cpu -lc10)\n")
    # torch-sys reads this file to refuse a libtorch that it was not made for.
    (folder / "build-version").write_text("2.11.0+cu130\n")


def install(fresh, target, scratch):
    if target.exists():
        target.rename(scratch / "replaced")
    fresh.rename(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
