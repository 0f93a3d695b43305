"""Work in forked processes side by side: what one raises comes back, and Ctrl-C ends them all.

The pools of the standard library and of `datasets` do one of the two: they wait for ever for a
process that was killed, or for those that are still at work when Ctrl-C is pressed.
"""

import gc
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterable

from mcqa.errors import RunError


def cores() -> int:
    """Return how many processes can work at once; 1 where none can be forked."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_forked(function: Callable[..., None], calls: Iterable[tuple]) -> None:
    """Call a function with each of several arguments, each in a process of its own.

    Args:
        function: returns nothing; what it makes it leaves on disk.
        calls: its arguments, a tuple for each call.

    Raises:
        RunError: a process was killed.
        Exception: what a call raised; the first call's, where several did.
    """
    fork = multiprocessing.get_context("fork")
    workers = []
    try:
        for call in calls:
            receiver, sender = fork.Pipe(duplex=False)
            worker = fork.Process(target=_report, args=(sender, function, call), daemon=True)
            worker.start()
            sender.close()
            workers.append((worker, receiver))
        errors = [_outcome(receiver) for _, receiver in workers]
    finally:
        for worker, _ in workers:
            worker.terminate()
            worker.join()
    for error in filter(None, errors):
        raise error


def _report(sender, function: Callable[..., None], call: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this one
    gc.freeze()  # looking through what is shared with the parent would copy it
    try:
        function(*call)
        sender.send(None)
    except Exception as error:
        sender.send(_sendable(error))


def _sendable(error: Exception) -> Exception:
    """Return an error as it is where it comes through a pipe whole, else one that tells of it.

    Some errors cannot be packed, and some not be unpacked where their class asks for more than a
    message; either way the parent would learn nothing of them.
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RunError(f"one of several processes failed: {type(error).__name__}: {error}")
    return error


def _outcome(receiver) -> Exception | None:
    try:
        return receiver.recv()
    except EOFError:
        return RunError(
            "one of several processes was killed, perhaps for want of memory. Make room and give "
            "the same command again."
        )
