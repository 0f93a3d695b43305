"""Work on a Ray cluster: join one, and run a function on many items, each a task of its own.

Ray is imported where it is used: it is an extra. The trap: Ray wraps what a task raises, several
layers deep, and writes into its message. So a task returns its error, and here it is raised.
"""

import contextlib
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mcqa.errors import ConfigError, McqaError, MissingDependencyError, RunError

DEATHS_WHILE_LOADING = 3  # in a row, of a worker that is being made
AT_ONCE = 10_000  # pieces of work that Ray is told of, each of several items where need be


class Machines(NamedTuple):
    """Say what to work with: how many workers, and what each of them takes."""

    workers: int = 1
    gpus: float = 0
    cpus: float = 1


ONE = Machines()


@contextlib.contextmanager
def cluster(address: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Join a cluster, or stay in the one that this process is in already.

    Args:
        address: `local` starts Ray on this machine; else as `ray.init` takes it.
        announce: called with a line that says where Ray's dashboard is.

    Raises:
        MissingDependencyError: Ray is not installed.
        ConfigError: there is no cluster at the address.
        RunError: Ray gives up.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "--engine ray needs Ray: pip install 'mcqa[ray]', on all machines of the cluster."
        ) from error
    ours = not ray.is_initialized()
    if ours:
        try:
            context = ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"--ray-address {address!r}: no Ray cluster there ({error}). Pass local, which "
                "starts one on this machine, auto on a machine of a cluster, or its address."
            ) from error
        if getattr(context, "dashboard_url", None):
            announce(f"Ray's dashboard: http://{context.dashboard_url}")
    try:
        yield
    except Exception as error:
        raise _own_error(error) from error
    finally:
        if ours:
            ray.shutdown()


def run_tasks(
    function: Callable[[Any], Any], items: Sequence, *, gpus: float = 0, cpus: float = 1
) -> Iterator[tuple[int, Any]]:
    """Yield each item's number and what the function gives for it, as soon as that is there.

    A task whose machine goes is run again elsewhere, so the function must be such that it can be.

    Args:
        function: pickled by value; what it and the items hold must mean the same on all machines.
        gpus, cpus: what a task takes; as many run at once as fit onto the cluster.
    """
    if not items:
        return

    def apply(row: dict) -> dict:
        number, item = pickle.loads(row["item"])
        try:
            return packed((number, function(item)))
        except McqaError as error:
            return packed(error)

    done = pieces(list(enumerate(items))).map(apply, num_cpus=cpus, num_gpus=gpus)
    yield from map(unpacked, done.iter_rows())


def pieces(items: Sequence):
    """Return a Ray data set of items, each a row with the pickled `item`, to be handed out."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.raise_original_map_exception = True
    context.max_consecutive_actor_init_deaths = DEATHS_WHILE_LOADING
    rows = list(map(packed, items))
    return ray.data.from_items(rows, override_num_blocks=min(len(rows), AT_ONCE))


def packed(value: Any) -> dict:
    """Return a row of a Ray data set with what `unpacked` returns, or raises if it is an error."""
    return {"item": pickle.dumps(value)}


def unpacked(row: dict) -> Any:
    """Return what was packed into a row; raise it where it is an error of this package."""
    value = pickle.loads(row["item"])
    if isinstance(value, McqaError):
        raise value
    return value


def _own_error(error: Exception) -> Exception:
    """Return the error of this package that Ray has wrapped; else the error."""
    from ray.exceptions import RayError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(getattr(seen, "cause", None), McqaError):
            return seen.cause
        if isinstance(seen, McqaError) and not isinstance(seen, RayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, RayError):
        return RunError(
            f"Ray: {type(error).__name__}: {error}. Give the command again; it goes on from the "
            "parts that are there."
        )
    return error
