"""Work in processes side by side: what one raises comes back, and Ctrl-C ends them all at once.

Three traps of `concurrent.futures`: after Ctrl-C it waits for the calls under way, so they are
terminated; workers outlive a parent that is killed, so each watches it; and an error that cannot
be unpickled passes for a killed worker, so another one is sent for it.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from mcqa.errors import RunError

START = "fork"  # functions and arguments need not be pickled, and memory is shared until written

_work: tuple[Callable[..., None], Sequence[tuple]]


def cores() -> int:
    """Return how many workers can work at once; 1 where processes cannot be forked."""
    if START not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_workers(function: Callable[..., None], calls: Sequence[tuple]) -> None:
    """Call a function, which returns nothing, with each of several arguments in as many workers.

    Raises what a call raised, the first call's where several did; RunError where one was killed.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        len(calls), multiprocessing.get_context(START), _start_worker, (function, calls)
    )
    try:
        futures = [pool.submit(_call, number) for number in range(len(calls))]
        errors = [future.exception() for future in futures]
    except BaseException:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown()
    error = next(filter(None, errors), None)
    if isinstance(error, BrokenProcessPool):
        raise RunError(
            "a worker process was killed, perhaps because memory ran out. Free some memory, "
            "then run the same command again."
        ) from error
    if error:
        raise error


def _start_worker(*work) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this one
    gc.freeze()  # looking through what is shared with the parent would copy it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(number: int) -> None:
    function, calls = _work
    try:
        function(*calls[number])
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            reason = f"{type(error).__name__}: {error}"
            raise RunError(f"one of several worker processes failed: {reason}") from None
        raise
