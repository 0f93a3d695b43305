"""The house's floors: imports go down, level only between named rooms, and never in a circle.

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
    "scripts": 8,
    "mcqa.__main__": 8,
    "mcqa.cli": 8,
    "mcqa.page": 8,
    "mcqa.study": 7,
    "mcqa.evaluating": 7,
    "mcqa.export": 7,
    "mcqa.serving": 7,
    "mcqa.training": 6,
    "mcqa.footprint": 6,
    "mcqa.report": 6,
    "mcqa.runs": 5,
    "mcqa.scoring": 5,
    "mcqa.formulations": 4,
    "mcqa.models": 3,
    "mcqa.prompting": 2,
    "mcqa.retrieval": 2,
    "mcqa.data": 1,
    "mcqa.evaluation": 1,
    "heads": 1,
    "mcqa.kinds": 0,
    "mcqa.question": 0,
    "mcqa.prediction": 0,
    "mcqa.errors": 0,
    "mcqa.system": 0,
}
# Within a floor a room knows no other, but for these.
NEIGHBOURS = {
    ("mcqa.prompting", "mcqa.retrieval"),  # the encoder asks for a question's context
    ("mcqa.scoring", "mcqa.runs"),  # a scorer may be loaded from a run
    ("mcqa.footprint", "mcqa.training"),  # the memory of training is that of its steps
    ("mcqa.export", "mcqa.evaluating"),  # what is shared says how good it is
    ("scripts", "mcqa.cli"),
    ("mcqa.cli", "mcqa.page"),  # `mcqa page` opens it
    ("mcqa.page", "mcqa.cli"),  # what a command says in words, the page says too
    ("mcqa.__main__", "mcqa.cli"),
    ("mcqa.prediction", "mcqa.question"),
    ("mcqa.prediction", "mcqa.kinds"),
    ("mcqa.question", "mcqa.kinds"),
    ("mcqa.study", "mcqa.evaluating"),  # a cell is a run and its evaluation
    *((f"mcqa.{name}", "mcqa.errors") for name in ("question", "prediction", "system")),
    ("mcqa.prediction", "mcqa.system"),  # files are written whole
}
LAZY = {"mcqa", "mcqa.cli", "mcqa.formulations"}
TENSORS = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}


def floor(module):
    """Return a module's floor by the longest name in the table that it stands under."""
    if module == "mcqa":  # the front door: it names what is upstairs and loads nothing
        return 0
    return FLOORS.get(room(module))


def room(module):
    """Return the longest name in the table that a module stands under."""
    parts = module.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in names if name in FLOORS), module)


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
            pair = room(module), room(target)
            level = floor(target) == floor(module) and "mcqa" not in pair
            if level and pair[0] != pair[1] and pair not in NEIGHBOURS:
                lines.append(f"{module} imports {target}, of another room on its floor")
    try:
        TopologicalSorter({m: t & imports.keys() for m, t in imports.items()}).prepare()
    except CycleError as error:
        lines.append("a circle: " + " -> ".join(error.args[1]))
    return lines


IMPORTS = {
    name: imported(ast.walk(tree), TREES.keys(), package=name.split(".")[0])
    for name, tree in TREES.items()
}


def test_the_settings_of_a_run_go_no_further_than_the_edge():
    room = {name for name in IMPORTS if name.startswith("mcqa.training.")}
    told = {name for name in room if "mcqa.training.config" in IMPORTS[name]}
    assert told == {f"mcqa.training.{name}" for name in ("run", "setup", "recipe_table")}


def test_every_import_goes_down_or_stays_level_and_none_goes_round():
    assert faults(IMPORTS) == []


def test_a_wrong_import_would_be_found():
    up = {"mcqa.prompting.a": {"mcqa.scoring.b"}, "mcqa.scoring.b": {"torch"}}
    assert faults(up) == ["mcqa.prompting.a imports mcqa.scoring.b, which is above it"]
    level = {"mcqa.retrieval.a": {"mcqa.prompting.b"}, "mcqa.prompting.b": set()}
    (fault,) = faults(level)
    assert fault.endswith("of another room on its floor")
    assert faults({"mcqa.data.a": {"mcqa.data.b"}, "mcqa.data.b": {"mcqa.data.a"}}) != []
    assert faults({"mcqa.attic": set()}) == ["mcqa.attic stands on no floor; put it into the table"]
    down = {"mcqa.scoring.b": {"mcqa.prompting.a"}, "mcqa.prompting.a": set()}
    assert faults(down) == []
    inside = ast.parse("def f():\n    import mcqa.scoring\n    from mcqa import scoring, data")
    assert imported(ast.walk(inside), {"mcqa.scoring"}) == {"mcqa.scoring", "mcqa"}


def test_the_table_names_nothing_that_is_gone():
    assert [name for name in FLOORS if not any(f"{m}.".startswith(f"{name}.") for m in TREES)] == []
    arrows = {(room(module), room(target)) for module, all in IMPORTS.items() for target in all}
    assert arrows >= NEIGHBOURS


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
    heads = {module: targets for module, targets in IMPORTS.items() if room(module) == "heads"}
    assert heads
    assert not any(target.split(".")[0] == "mcqa" for t in heads.values() for target in t)


def test_the_two_formulations_are_siblings():
    one, other = "mcqa.formulations.generative", "mcqa.formulations.multiple_choice"
    assert other not in IMPORTS[one]
    assert one not in IMPORTS[other]


LIGHT = sorted(m for m in TREES if floor(m) < FLOORS["mcqa.models"] and room(m) != "heads")


def test_below_the_models_nothing_loads_tensors():
    """But `heads`, which are tensors, and what a function of `system` needs when it is called."""
    tensors = {m: {name.split(".")[0] for name in IMPORTS[m]} & TENSORS for m in LIGHT}
    assert {room(module) for module, names in tensors.items() if names} == {"mcqa.system"}
    for module in LIGHT:
        assert not {n.split(".")[0] for n in imported(TREES[module].body, TREES.keys())} & TENSORS


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
