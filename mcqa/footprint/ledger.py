"""Book every tensor of a training step: how large, when it appears, when it goes, what it is.

PyTorch shows each operator to a dispatch mode, so nothing has to be known about the model. What a
tensor's storage is for shows later than when it appears (a gradient is one once a parameter has
it), so storages are numbered, and named by label when that is known; what got no name is a
temporary.

The trap: views share storage, so storages are booked, not tensors. What a kernel allocates inside
itself is no tensor and is not seen.
"""

import weakref
from collections import Counter
from collections.abc import Iterable

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

TEMPORARY = "temporaries"


class Ledger(TorchDispatchMode):
    """Book the tensors that operators make within its `with` block."""

    def __init__(self):
        super().__init__()
        self._sizes: list[int] = []
        self._labels: dict[int, str] = {}
        self._numbers = WeakIdKeyDictionary()
        # The number of a storage where it appears, its complement where it goes.
        self._events: list[int] = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = self.run(operator, args, kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._number(leaf)
        return result

    def run(self, operator, args, kwargs):
        """Run an operator."""
        return operator(*args, **kwargs)

    def _number(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        number = self._numbers.get(storage)
        if number is None:
            number = self._numbers[storage] = len(self._sizes)
            self._sizes.append(storage.nbytes())
            self._events.append(number)
            gone = weakref.finalize(storage, self._events.append, ~number)
            gone.atexit = False
        return number

    def label(self, name: str, tensors: Iterable[Tensor]) -> int:
        """Say what tensors are, unless that was said before, and return their bytes."""
        numbers = {self._number(tensor) for tensor in tensors}
        mine = [n for n in numbers if self._labels.setdefault(n, name) == name]
        return sum(self._sizes[number] for number in mine)

    def label_rest(self, name: str) -> int:
        """Give everything that is there now and has no name this one, and return its bytes."""
        rest = set(self._numbers.values()) - self._labels.keys()
        self._labels |= dict.fromkeys(rest, name)
        return sum(self._sizes[number] for number in rest)

    def mark(self) -> int:
        """Return the present moment."""
        return len(self._events)

    def peak(self, since: int) -> Counter:
        """Return what was there when most was there, in bytes by label.

        Args:
            since: the moment to look from.
        """
        total, highest, at = 0, 0, since
        for moment, event in enumerate(self._events):
            total += self._sizes[event] if event >= 0 else -self._sizes[~event]
            if moment >= since and total > highest:
                highest, at = total, moment
        parts: Counter = Counter()
        for event in self._events[: at + 1]:
            number, sign = (event, 1) if event >= 0 else (~event, -1)
            parts[self._labels.get(number, TEMPORARY)] += sign * self._sizes[number]
        return parts
