"""Bytes by part at the highest moment, counted by hand."""

import torch

from mcqa.footprint.ledger import Ledger

KB = 1000


def test_the_highest_moment_is_found_and_told_apart_by_labels():
    kept = torch.zeros(2 * KB, dtype=torch.uint8)
    with Ledger() as ledger:
        assert ledger.label("weights", [kept]) == 2 * KB
        start = ledger.mark()
        activation = kept + 1
        view = activation[:10].reshape(2, 5)  # the same storage
        assert ledger.label_rest("activations") == 2 * KB
        double = torch.cat((activation, activation))  # 4 kB, which nobody claims
        del activation, double
        assert ledger.label("activations", [view]) == 2 * KB
        assert ledger.label("other", [view]) == 0  # it has a name
        view = torch.zeros(KB, dtype=torch.uint8)
    assert ledger.peak(start) == {
        "weights": 2 * KB,
        "activations": 2 * KB,
        "temporaries": 4 * KB,
    }


def test_a_peak_is_looked_for_from_a_moment_on_with_what_was_there_before():
    with Ledger() as ledger:
        early = torch.zeros(5 * KB, dtype=torch.uint8)
        del early
        stays = torch.zeros(KB, dtype=torch.uint8)
        start = ledger.mark()
        late = stays + 1
    assert ledger.peak(0).total() == 5 * KB
    assert ledger.peak(start).total() == stays.nbytes + late.nbytes
