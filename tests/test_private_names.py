"""What the house leans on that other libraries keep for themselves: all of it, and its reasons.

Read from the source. A use is

    - another library's underscore name: imported, read, set, given by keyword, or said as a string
    - an underscore member of a class of ours that the classes under it read (`BASES`)
    - a class of one instance exchanged, an object made without its `__init__`, a raw operator
    - an attribute of an imported module or class set or deleted, a method put on an instance
    - a flag that a library sets for itself (`is_...`, `supports_...`) set on an object of others

`tests/private_names.yaml` holds those that are allowed, each with why, and what it works with.
"""

import ast
import builtins
import functools
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MOST = 10
OURS = ("mcqa", "heads", "scripts")
ALLOWED = yaml.safe_load((ROOT / "tests/private_names.yaml").read_text(encoding="utf-8"))
DECLARATIONS = "declarations of"
FIELDS = {"uses", "where", "names", "reason", "issue", "version"}
# Underscore names that Python's own documentation describes: named tuples, and leaving at once.
PUBLIC = {"_asdict", "_exit", "_fields", "_make", "_replace"}
# Where the classes are written that ours extend, or are mixed into.
BASES = (
    "accelerate/accelerator.py",
    "bitsandbytes/nn/modules.py",
    "bitsandbytes/optim/optimizer.py",
    "click/core.py",
    "datasets/arrow_dataset.py",
    "evaluate/module.py",
    "peft/peft_model.py",
    "peft/tuners/tuners_utils.py",
    "pydantic/main.py",
    "torch/autograd/function.py",
    "torch/nn/modules/module.py",
    "torch/optim/optimizer.py",
    "torch/utils/data/dataloader.py",
    "torch/utils/data/sampler.py",
    "transformers/configuration_utils.py",
    "transformers/modeling_utils.py",
    "transformers/trainer.py",
)
FLAG = re.compile(r"(is|has|can|supports?)_")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_private(name):
    """Say whether a name is another's to keep: `_a`, and neither `__a__` nor `_`."""
    return bool(re.fullmatch(r"_[^\W_]\w*|__[^\W_]\w*(?<!__)", name)) and name not in PUBLIC


@functools.cache
def base_names():
    """Return the private names in the files of `BASES`, read without an import of theirs."""
    names = set()
    for path in BASES:
        package, _, rest = path.partition("/")
        (folder,) = find_spec(package).submodule_search_locations
        tree = ast.parse((Path(folder) / rest).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names |= {getattr(node, kind, None) for kind in ("attr", "id", "name")} | said(node)
    return {name for name in names if name and is_private(name)}


def said(node):
    """Return the name that `getattr`, `hasattr`, `setattr` or `delattr` is given as a text."""
    name = node.args[1] if is_call(node, "getattr", "hasattr", "setattr", "delattr") else None
    return {name.value} if isinstance(name, ast.Constant) else set()


def is_call(node, *names):
    """Say whether a node calls a function by one of these names."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) in names


def above_others(trees):
    """Return the names of our classes that stand on a class of others, written so or mixed in."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    bases = {
        node.name: {getattr(base, "id", None) for base in node.bases}
        for node in nodes
        if isinstance(node, ast.ClassDef)
    }
    made = [node.args[1] for node in nodes if is_call(node, "type") and node.args[1:]]
    found = {base.id for one in made for base in ast.walk(one) if isinstance(base, ast.Name)}
    own = bases.keys() | vars(builtins).keys()
    while more := {n for n in bases.keys() - found if bases[n] & found or bases[n] - own}:
        found |= more
    return found & bases.keys()


def definitions(tree):
    """Return the names that a module defines, those its classes set on themselves among them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names |= {node.attr} if is_self(node.value) else set()
    return names


def is_self(node):
    """Say whether an expression is the object, or class, of the method that it stands in."""
    return is_call(node, "super") or (isinstance(node, ast.Name) and node.id in ("self", "cls"))


class Uses(ast.NodeVisitor):
    """The private uses of one module, as names in `found`.

    Args:
        tree: of the module.
        of_bases: names that the classes under ours read.
        of_house: names that any module of the house defines.
        above: names of the classes of ours that stand on those of others.
    """

    def __init__(self, tree, of_bases, of_house, above):
        self.of_bases, self.house, self.above = of_bases, of_house, above
        self.own = definitions(tree) - of_bases
        self.functions = {node.name for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
        self.classes = []  # that a node stands in
        self.origins, self.found = {}, set()
        self.visit(tree)

    def visit_Import(self, node):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self._import(alias.name, alias.asname or first, alias.name if alias.asname else first)

    def visit_ImportFrom(self, node):
        for alias in node.names:
            full = f"{'.' * node.level}{node.module or ''}.{alias.name}"
            self._import(full, alias.asname or alias.name, full)

    def _import(self, full, local, origin):
        if full.partition(".")[0] in ("", *OURS):
            return
        self.origins[local] = origin
        self.found |= {part for part in full.split(".") if is_private(part)}

    def visit_ClassDef(self, node):
        self.classes.append(node.name)
        if node.name in self.above:
            names = {
                one.id if isinstance(one, ast.Name) else one.name
                for statement in node.body
                for one in (statement, *ast.iter_child_nodes(statement))
                if isinstance(one, FUNCTIONS)
                or (isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
            }
            self.found |= {name for name in names if name in self.of_bases or FLAG.match(name)}
        self.generic_visit(node)
        self.classes.pop()

    def visit_Attribute(self, node):
        name, of_self = node.attr, is_self(node.value)
        stored = not isinstance(node.ctx, ast.Load)
        if is_private(name) and name not in (self.house if of_self else self.own):
            self.found.add(name)
        origin = self._origin(node) or ""
        if of_self and stored:
            above = self.above.intersection(self.classes)
            self.found |= {name} if above and name in self.of_bases else set()
        elif stored and not origin.startswith("sys."):  # whose streams are there to be set
            patched = origin or is_call(node.value, "type") or isinstance(node.ctx, ast.Del)
            if patched or name in ("__class__", "forward") or FLAG.match(name):
                self.found.add(name)
        elif re.fullmatch(r"torch\.ops\.\w+", origin):
            self.found.add(origin)
        self.generic_visit(node)

    def visit_Assign(self, node):
        for target in node.targets:
            other = isinstance(target, ast.Attribute) and not is_self(target.value)
            if other and self._is_function(node.value):
                self.found.add(target.attr)
        self.generic_visit(node)

    def _is_function(self, node):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            return name in ("MethodType", "partial", "wraps")
        return isinstance(node, ast.Lambda) or getattr(node, "id", None) in self.functions

    def visit_Call(self, node):
        function = node.func
        of = getattr(function, "value", None)
        if getattr(function, "attr", None) == "__new__" and not is_self(of):
            self.found.add("__new__")
        if getattr(function, "attr", None) == "update" and is_call(of, "vars"):
            self.found.add("vars")
        if is_call(node, "setattr", "delattr") and not is_self(node.args[0]):
            foreign = self._origin(node.args[0]) or function.id == "delattr"
            self.found |= (said(node) if foreign else set()) if said(node) else {function.id}
        self.found |= {name for name in said(node) if is_private(name) and name not in self.own}
        names = {keyword.arg for keyword in node.keywords if keyword.arg} - self.house
        self.found |= {name for name in names if is_private(name)}
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str) and node.value in self.of_bases:
            self.found.add(node.value)

    def _origin(self, node):
        """Return the full name of an expression that begins with an imported one."""
        if isinstance(node, ast.Attribute):
            origin = self._origin(node.value)
            return origin and f"{origin}.{node.attr}"
        return self.origins.get(node.id) if isinstance(node, ast.Name) else None


TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"), str(path))
    for package in OURS
    for path in sorted((ROOT / package).rglob("*.py"))
}


def uses(trees):
    """Return the (file, name) pairs of the private uses in {file: syntax tree}."""
    house, above = set().union(*map(definitions, trees.values())), above_others(trees.values())
    of_bases = base_names()
    return {
        (f, name) for f, tree in trees.items() for name in Uses(tree, of_bases, house, above).found
    }


FOUND = uses(TREES)


def several(value):
    """Return a list of what a field holds: one text or several."""
    return value if isinstance(value, list) else [value]


def listed(entry):
    """Return the (file, name) pairs that an entry allows."""
    return {(where, name) for where in several(entry["where"]) for name in several(entry["names"])}


LISTED = set().union(*map(listed, ALLOWED))


def test_only_what_is_listed_is_used():
    assert sorted(FOUND - LISTED) == []


def test_everything_listed_is_used():
    """Of the declarations each file and each name, of the others the one."""
    for entry in ALLOWED:
        used = listed(entry) & FOUND
        assert {file for file, _ in used} == set(several(entry["where"])), entry["uses"]
        assert {name for _, name in used} == set(several(entry["names"])), entry["uses"]


def test_the_list_is_short():
    assert len(ALLOWED) <= MOST


@pytest.mark.parametrize("entry", ALLOWED, ids=lambda entry: entry["uses"])
def test_an_entry_is_one_use_with_its_reason_and_a_version(entry):
    assert entry.keys() == FIELDS
    if not entry["uses"].startswith(DECLARATIONS):
        assert len(listed(entry)) == 1
    assert len(entry["reason"]) > 40
    assert entry["issue"] is None or entry["issue"].startswith("https://")
    assert re.fullmatch(r"[a-z_]+ \d+\.\d+(\.\d+)?", entry["version"])


USES = {
    "from torch import _dynamo": "_dynamo",
    "import torch._dynamo": "_dynamo",
    "from torch._subclasses import FakeTensor": "_subclasses",
    "import os\nos.path._joinrealpath": "_joinrealpath",
    "def f(model):\n    model._hf_peft_config_loaded = True": "_hf_peft_config_loaded",
    "def f(module):\n    return module._parameters": "_parameters",
    "def _parameters(module):\n    return module._parameters": "_parameters",
    "def f(one):\n    return getattr(one, '_secret', None)": "_secret",
    "MEMBERS = {'_no_split_modules': []}": "_no_split_modules",
    "def f(load):\n    return load(_fast_init=False)": "_fast_init",
    "from a import B\nclass C(B):\n    _tied_weights_keys = []": "_tied_weights_keys",
    "from a import B\nclass C(B):\n    def _init_weights(self): ...": "_init_weights",
    "class C:\n    def f(self):\n        self._buffers = 1\nD = type('D', (C, X), {})": "_buffers",
    "class C:\n    def f(self):\n        return self._inherited": "_inherited",
    "from a import B\nclass C(B):\n    supports_bf16 = False": "supports_bf16",
    "def f(model):\n    model.is_quantized = False": "is_quantized",
    "def f(model):\n    model.__class__ = dict": "__class__",
    "from a import B\nB.size = 3": "size",
    "import a.b\na.b.C.size = 3": "size",
    "import a\nsetattr(a.C, 'size', 3)": "size",
    "def f(one, name):\n    setattr(one, name, 3)": "setattr",
    "def f(one):\n    type(one).size = 3": "size",
    "def f(one):\n    one.size = lambda: 3": "size",
    "def f(one):\n    one.size = f": "size",
    "import a\ndel a.size": "size",
    "def f(one):\n    del one.size": "size",
    "def f(one):\n    delattr(one, 'size')": "size",
    "def f(one):\n    vars(one).update(size=3)": "vars",
    "from a import B\nB.__new__(B)": "__new__",
    "def f(one):\n    return type(one).__new__(type(one))": "__new__",
    "import torch\ntorch.ops.bitsandbytes.quantize_4bit": "torch.ops.bitsandbytes",
    "from torch import ops\nops.bitsandbytes": "torch.ops.bitsandbytes",
}
NO_USES = (
    "class C:\n    def __init__(self):\n        self._a = 1\n    def f(self, other):\n"
    "        return other._a, self._a, self._f()\n    def _f(self): ...",
    "class Error(ValueError):\n    _parameters = 3",  # nothing under it reads that
    "class C:\n    _parameters = 3\n    def __new__(cls):\n        return super().__new__(cls)",
    "from a import B\nclass C(B):\n    size = 3\n    def forward(self):\n        self.size = _g",
    "import sys\nsys.argv = []",
    "def f(row):\n    return row._replace(a=1), row.__class__, __file__, '_file'",
    "for _ in range(3):\n    _a = lambda: 3",
    "from mcqa.a import _b\nfrom . import _c",
)


@pytest.mark.parametrize("source", USES)
def test_a_use_is_found(source):
    assert uses({"file": ast.parse(source)}) == {("file", USES[source])}


@pytest.mark.parametrize("source", NO_USES)
def test_what_is_ours_is_none(source):
    assert uses({"file": ast.parse(source)}) == set()
