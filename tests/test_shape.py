"""The tail of the code: nothing grows past what can be read at a glance, and SQL stays in its rooms."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("plugin", "webhooks", "sandbox") for path in (ROOT / folder).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MIGRATIONS = ROOT / "plugin" / "migrations"
LONGEST_FUNCTION, LONGEST_MODULE, LONGEST_TEST = 60, 400, 60


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _long(paths: list[Path], *, over: int) -> list[tuple[str, int]]:
    return [found for path in paths for found in _functions(path) if found[1] > over]


def test_no_function_is_longer_than_can_be_read():
    assert _long([path for path in SOURCES if MIGRATIONS not in path.parents], over=LONGEST_FUNCTION) == []


def test_no_test_is_longer_than_can_be_read():
    assert _long(TESTS, over=LONGEST_TEST) == []


def test_no_module_is_longer_than_can_be_read():
    long = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
        if MIGRATIONS not in path.parents
    }
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE} == {}


def test_every_module_opens_with_one_sentence():
    without = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert without == []


@pytest.mark.parametrize("folder", ["plugin", "webhooks"])
def test_only_stores_import_models(folder):
    allowed = {"store.py", "env.py"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in allowed and _imports_models(path)
    ]
    assert wrong == []


def _imports_models(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if any(name.startswith("plugin.") and name.endswith(".models") for name in names):
            return True
    return False
