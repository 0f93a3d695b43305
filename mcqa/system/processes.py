"""Several processes on one piece of work: which one this is, how they wait, what they hand on.

`torchrun` and `accelerate launch` start them and give each its number in the environment. For a
process by itself, which is the main one, each function here does nothing, or hands back what it was
given. Objects and waiting go through gloo on the CPU, gradients on GPUs through NCCL.

The trap: when one process ends with an error the launcher ends the others at once, also the one
that was about to report it. So the first to fail reports, and the others are held back until then.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

Value = TypeVar("Value")

# Waiting is no error, however long: where a process fails, the launcher ends those that wait.
PATIENCE = timedelta(days=7)
REPORTING = timedelta(seconds=10)

_store = None


def count() -> int:
    """Return how many processes were started."""
    return int(os.environ.get("WORLD_SIZE", 1))


def index() -> int:
    """Return this process's number among them, from 0."""
    return int(os.environ.get("RANK", 0))


def local_index() -> int:
    """Return this process's number among those of this machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_main() -> bool:
    """Say whether this is the process that prints and writes."""
    return index() == 0


def sharding() -> str | None:
    """Return what keeps weights in shards, `FSDP` or `DeepSpeed`, None where nothing does."""
    for name in ("FSDP", "DeepSpeed"):
        if os.environ.get(f"ACCELERATE_USE_{name.upper()}", "").lower() == "true":
            return name
    return None


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Join the other processes, and wait for them at the end, but not after an error."""
    global _store
    if count() == 1 or _store is not None:
        yield
        return
    import torch
    import torch.distributed as dist

    # Its functions keep the group they find when imported, and a group that is kept has threads
    # when Python ends, which can abort the process: so before there is one.
    import torch.distributed.nn

    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(local_index() % gpus)
    _store, _, _ = next(dist.rendezvous("env://", timeout=PATIENCE))
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpus else "gloo",
        store=dist.PrefixStore("mcqa", _store),
        rank=index(),
        world_size=count(),
        timeout=PATIENCE,
    )
    yield
    wait()
    dist.destroy_process_group()
    _store = None


@contextlib.contextmanager
def reporting_an_error(*, everywhere: bool = False) -> Iterator[bool]:
    """Give whether this process is to report an error: the first that fails; the others wait.

    Of an error that all meet `everywhere`, as they do Ctrl-C, the main one reports.
    """
    if _store is None:
        yield is_main()
        return
    mine = is_main() if everywhere else _store.add("failed", 1) == 1
    yield mine
    if mine:
        _store.set("reported", "yes")
    else:
        with contextlib.suppress(RuntimeError):  # it was ended in the middle of it
            _store.wait(["reported"], REPORTING)


def gather(value: Value) -> list[Value]:
    """Return what each of the processes gave, in their order; all must call."""
    values = [value]
    if _store is not None:
        import torch.distributed as dist

        values *= count()
        dist.all_gather_object(values, value)
    return values


def on_main(work: Callable[[], Value]) -> Value:
    """Do something in the main process while the others wait, and give all what it returned."""
    return gather(work() if is_main() or _store is None else None)[0]


def share_from_main(tensor) -> None:
    """Give all processes the main one's values of a tensor."""
    if _store is not None:
        import torch.distributed as dist

        dist.broadcast(tensor, src=0)


def wait() -> None:
    """Wait until all processes have come this far."""
    gather(None)


def rounds(items: Sequence[Value]) -> Iterator[tuple[Value | None, Sequence[Value]]]:
    """Yield an item for this process, None where there is none left, and those that all take."""
    size, own = (1, 0) if _store is None else (count(), index())
    for start in range(0, len(items), size):
        taken = items[start : start + size]
        yield taken[own] if own < len(taken) else None, taken
