"""The house's floors: imports go down or stay level, and never in a circle.

Read from the source, so that an import inside a function counts too. What `import_module` brings
in by name cannot be read; only the packages that open their own rooms that way may use it.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    "scripts": 7,
    "mcqa.__main__": 7,
    "mcqa.cli": 7,
    "mcqa.app": 7,
    "mcqa.scoring": 6,
    "mcqa.loading": 6,
    "mcqa.training": 6,
    "mcqa.footprint": 6,
    "mcqa.formulations": 5,
    "mcqa.backbones": 4,
    "mcqa.embedded": 4,
    "mcqa.names": 4,
    "mcqa.four_bit": 4,
    "mcqa.apple": 4,
    "mcqa.adapters": 4,
    "mcqa.checkpoints": 4,
    "mcqa.merging": 4,
    "mcqa.memory": 4,
    "mcqa.hardware": 4,
    "mcqa.sharing": 4,
    "mcqa.spinning": 4,
    "mcqa.self_check": 4,
    "mcqa.distributed": 4,
    "mcqa.recipes": 4,
    "heads": 3,
    "mcqa.encoding": 2,
    "mcqa.tokens": 2,
    "mcqa.preprocessing": 2,
    "mcqa.report": 2,
    "mcqa.data": 1,
    "mcqa.data.bundled": 1,
    "mcqa.prompts": 1,
    "mcqa.parsing": 1,
    "mcqa.work": 1,
    "mcqa.evaluation": 1,
    "mcqa.retrieval": 1,
    "mcqa.question": 0,
    "mcqa.errors": 0,
    "mcqa.files": 0,
    "mcqa.locks": 0,
    "mcqa.forks": 0,
    "mcqa.kept": 0,
    "mcqa.allocation": 0,
    "mcqa.openmp": 0,
    "mcqa.quiet": 0,
}
LAZY = {"mcqa", "mcqa.cli", "mcqa.formulations"}
TENSORS = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}


def floor(module):
    """Return a module's floor by the longest name in the table that it stands under."""
    if module == "mcqa":  # the front door: it names what is upstairs and loads nothing
        return 0
    parts = module.split(".")
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((FLOORS[name] for name in names if name in FLOORS), None)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8"), str(path))
    for package in ("mcqa", "heads", "scripts")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(nodes, modules, package=""):
    """Return the modules that import statements name: `from a import b` is a.b where that is one.

    Imports are absolute, save in `heads`: transformers copies a model's code beside its weights by
    following relative imports.

    >>> sorted(imported(ast.parse("import os\\nfrom a import b, c").body, {"a", "a.b"}))
    ['a', 'a.b', 'os']
    """
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or package == "heads", "imports are absolute"
            source = f"{package}.{node.module}" if node.level else node.module
            full = [f"{source}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else source for name in full}
    return found


def faults(imports):
    """Return what is wrong with a {module: imported modules} map, one line each."""
    lines = []
    for module, targets in imports.items():
        if floor(module) is None:
            lines.append(f"{module} stands on no floor; put it into the table")
            continue
        for target in targets & imports.keys():
            if (floor(target) or 0) > floor(module):
                lines.append(f"{module} imports {target}, which is above it")
    try:
        TopologicalSorter({m: t & imports.keys() for m, t in imports.items()}).prepare()
    except CycleError as error:
        lines.append("a circle: " + " -> ".join(error.args[1]))
    return lines


IMPORTS = {
    name: imported(ast.walk(tree), TREES.keys(), package=name.split(".")[0])
    for name, tree in TREES.items()
}


def test_every_import_goes_down_or_stays_level_and_none_goes_round():
    assert faults(IMPORTS) == []


def test_a_wrong_import_would_be_found():
    assert faults({"mcqa.prompts": {"mcqa.scoring"}, "mcqa.scoring": {"torch"}}) == [
        "mcqa.prompts imports mcqa.scoring, which is above it"
    ]
    assert faults({"mcqa.data.a": {"mcqa.data.b"}, "mcqa.data.b": {"mcqa.data.a"}}) != []
    assert faults({"mcqa.attic": set()}) == ["mcqa.attic stands on no floor; put it into the table"]
    assert faults({"mcqa.scoring": {"mcqa.prompts"}, "mcqa.prompts": set()}) == []
    inside = ast.parse("def f():\n    import mcqa.scoring\n    from mcqa import scoring, data")
    assert imported(ast.walk(inside), {"mcqa.scoring"}) == {"mcqa.scoring", "mcqa"}


def test_the_table_names_nothing_that_is_gone():
    assert [name for name in FLOORS if not any(f"{m}.".startswith(f"{name}.") for m in TREES)] == []


def test_only_packages_with_rooms_of_their_own_import_by_name():
    users = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and (getattr(node, "attr", None) or getattr(node, "id", None))
        in ("import_module", "__import__")
    }
    assert users <= LAZY


def test_heads_imports_nothing_of_mcqa():
    heads = {module: targets for module, targets in IMPORTS.items() if floor(module) == 3}
    assert heads
    assert not any(target.split(".")[0] == "mcqa" for t in heads.values() for target in t)


def test_the_two_formulations_are_siblings():
    one, other = "mcqa.formulations.generative", "mcqa.formulations.multiple_choice"
    assert other not in IMPORTS[one]
    assert one not in IMPORTS[other]


def test_below_the_heads_nothing_loads_tensors():
    users = {
        module: targets & TENSORS
        for module, imports in IMPORTS.items()
        if floor(module) < 3 and (targets := {name.split(".")[0] for name in imports}) & TENSORS
    }
    # Its context manager silences transformers, and only then needs it.
    assert users == {"mcqa.quiet": {"transformers"}}
    assert not imported(TREES["mcqa.quiet"].body, TREES.keys()) & TENSORS


LIGHT = sorted(module for module in TREES if floor(module) < 3)


@pytest.mark.parametrize("modules", [["mcqa"], LIGHT, ["mcqa.cli"]], ids=["mcqa", "light", "cli"])
def test_importing_loads_neither_torch_nor_transformers(modules):
    code = (
        f"import sys, {', '.join(modules)}\n"
        "print(*sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
