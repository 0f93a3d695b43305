"""Learning curves: how right each arm of a study is, by how many questions it was trained on."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from mcqa.report.drawing import legend, new_figure, plain, styles, whisker


def learning_curves(conditions: Sequence[Mapping]) -> Figure:
    """Draw accuracy, and NLL below it where there is any, over training sizes.

    Args:
        conditions: of one data set and model, by size, as `mcqa.study` describes them. The sizes
            stand at equal distances.
    """
    arms = conditions[0]["arms"]
    scored = all(arm["nll"] for condition in conditions for arm in condition["arms"])
    panels = [("accuracy", "accuracy in %", 100)] + [("nll", "NLL in nats", 1)] * scored
    figure, grid = new_figure(
        0.6 + 2.3 * len(panels), nrows=len(panels), sharex=True, squeeze=False
    )
    step = 0.2 / len(arms)
    for axes, (measure, label, scale) in zip(grid.flat, panels, strict=True):
        for place, _, color, marker in styles(arms, arms):
            of_sizes = [condition["arms"][place][measure] for condition in conditions]
            at = [size + step * (place - (len(arms) - 1) / 2) for size in range(len(conditions))]
            values = [scale * known["value"] for known in of_sizes]
            axes.plot(at, values, color=color, linewidth=1.2, alpha=0.6)
            for x, known in zip(at, of_sizes, strict=True):
                ends = known["ci95"] and [scale / 100 * end for end in known["ci95"]]
                whisker(axes, x, scale * known["value"], ends, color, marker)
                runs = [scale * value for value in known["per_seed"]]
                axes.plot([x] * len(runs), runs, "_", color=color, markersize=7, alpha=0.6)
        axes.set_ylabel(label)
        plain(axes)
    names = [f"{c['size']:,}" if c["size"] else "all" for c in conditions]
    axes.set(xticks=range(len(names)), xticklabels=names, xlabel="training questions")
    axes.set_xlim(-0.5, len(names) - 0.5)
    legend(figure, arms, arms)
    return figure
