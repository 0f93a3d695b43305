"""Draw by hashing, so that every machine and Python makes the same choices."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def deck(cards: Sequence[Item], seed: str) -> Iterator[Item]:
    """Deal the cards without end, shuffled anew each round: random, and even in the long run."""
    for number in itertools.count():
        yield from shuffled(cards, f"{seed}/{number}")


def shuffled(items: Sequence[Item], seed: str) -> list[Item]:
    """Return the items in an order that depends on the seed alone."""
    keys = {place: hashed(seed, str(place)) for place in range(len(items))}
    return [items[place] for place in sorted(keys, key=keys.get)]


def hashed(*parts: str) -> bytes:
    """Return a key to sort by."""
    return hashlib.sha256("/".join(parts).encode()).digest()
