"""Fetch the browser libraries and fonts that static/vendor/ holds, or check them against the lock.

    python .ci/vendor.py            fetch the pinned packages with `npm pack` and write the files and the lock
    python .ci/vendor.py --check    compare the files with the lock; offline, changes nothing

The lock (static/vendor/vendor.lock, JSON) names each package, its version and licence, the sha512 of its tarball
and the sha256 of every file taken from it. A second fetch must find the same tarballs: a changed one is refused.
Standard library only, so it runs before any environment exists.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"
LOCK = VENDOR / "vendor.lock"


@dataclass(frozen=True)
class Package:
    """An npm package: `files` maps a path inside its tarball to a path under static/vendor/."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


PACKAGES = (
    Package(
        "htmx.org",
        "4.0.1",
        "0BSD",
        {"dist/htmx.min.js": "htmx/htmx.min.js", "LICENSE": "htmx/LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot/uPlot.iife.min.js",
            "dist/uPlot.min.css": "uplot/uPlot.min.css",
            "LICENSE": "uplot/LICENSE",
        },
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        "OFL-1.1",
        {"files/inter-latin-wght-normal.woff2": "inter/inter-latin-wght.woff2", "LICENSE": "inter/LICENSE"},
    ),
    Package(
        "@fontsource/ibm-plex-sans-arabic",
        "5.3.0",
        "OFL-1.1",
        {
            "files/ibm-plex-sans-arabic-arabic-400-normal.woff2": "plex-arabic/plex-arabic-400.woff2",
            "files/ibm-plex-sans-arabic-arabic-600-normal.woff2": "plex-arabic/plex-arabic-600.woff2",
            "LICENSE": "plex-arabic/LICENSE",
        },
    ),
)


class Mismatch(Exception):
    """A file or tarball is not what the lock says; the message names it."""


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def pack(package: Package, folder: Path) -> Path:
    """Download one tarball into `folder` with the ordinary npm client and return its path."""
    command = ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder), "--silent"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Mismatch(f"npm pack {package.name}@{package.version} failed: {done.stderr.strip()}")
    return folder / done.stdout.strip().splitlines()[-1]


def entry(package: Package, tarball: bytes, contents: dict[str, bytes]) -> dict[str, object]:
    """One package's line of the lock."""
    return {
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "tarball": "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode(),
        "files": {path: sha256(content) for path, content in sorted(contents.items())},
    }


def extract(package: Package, path: Path) -> dict[str, bytes]:
    """The wanted files of a tarball, by their place under static/vendor/."""
    contents: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for inside, place in package.files.items():
            member = tar.extractfile(f"package/{inside}")
            if member is None:
                raise Mismatch(f"{package.name}@{package.version} has no file {inside}")
            content = member.read()
            if inside.endswith(".js"):
                content = without_source_map(content)
            contents[place] = content
    return contents


def without_source_map(content: bytes) -> bytes:
    """Drop the trailing comment that would make developer tools ask for a map we don't ship."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def known_tarballs() -> dict[str, str]:
    """`name@version` → tarball hash of the lock as it stands; empty without one."""
    if not LOCK.exists():
        return {}
    return {f"{p['name']}@{p['version']}": p["tarball"] for p in json.loads(LOCK.read_text())["packages"]}


def fetch() -> None:
    known = known_tarballs()
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            path = pack(package, Path(folder))
            contents = extract(package, path)
            line = entry(package, path.read_bytes(), contents)
            before = known.get(f"{package.name}@{package.version}")
            if before not in (None, line["tarball"]):
                raise Mismatch(f"{package.name}@{package.version}: its tarball changed since the lock was written")
            for place, content in contents.items():
                (VENDOR / place).parent.mkdir(parents=True, exist_ok=True)
                (VENDOR / place).write_bytes(content)
            entries.append(line)
            print(f"{package.name} {package.version}: {len(contents)} files")
    LOCK.write_text(json.dumps({"packages": entries}, indent=2) + "\n")


def problems() -> list[str]:
    """What differs between the lock, the pins above and the files; empty when all is well."""
    if not LOCK.exists():
        return [f"{LOCK} is missing: run python .ci/vendor.py"]
    packages = json.loads(LOCK.read_text())["packages"]
    pins = {(p.name, p.version) for p in PACKAGES}
    locked = {(p["name"], p["version"]) for p in packages}
    found = [f"{name} {version}: pinned here or in the lock, not in both" for name, version in sorted(pins ^ locked)]
    expected = {path: digest for p in packages for path, digest in p["files"].items()}
    for path, digest in expected.items():
        file = VENDOR / path
        if not file.exists():
            found.append(f"{path} is missing")
        elif sha256(file.read_bytes()) != digest:
            found.append(f"{path} is not the file the lock names")
    on_disk = {str(file.relative_to(VENDOR)) for file in VENDOR.rglob("*") if file.is_file() and file != LOCK}
    found += [f"{path} is in static/vendor/ but not in the lock" for path in sorted(on_disk - expected.keys())]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the lock, offline")
    if not parser.parse_args().check:
        try:
            fetch()
        except Mismatch as problem:
            print(problem, file=sys.stderr)
            return 1
    found = problems()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
