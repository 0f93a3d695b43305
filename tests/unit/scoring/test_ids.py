"""Ids that stand twice are found, in one file and in several, whatever their number."""

from mcqa.scoring import ids
from mcqa.scoring.ids import BUCKETS, Noted, Suspects, hash_of, shared
from mcqa.scoring.parts import Place


def noted(folder, names):
    folder.mkdir()
    found = Noted(folder)
    for name in names:
        assert name not in found
        found[name] = "a place"
    found.close()
    assert not len(found)
    return found


def test_hashes_that_come_twice_are_found(tmp_path):
    names = [f"q{n}" for n in range(3000)]
    assert noted(tmp_path / "a", names).twice() == set()
    assert noted(tmp_path / "b", [*names, "q7", "\ud800", "\ud800"]).twice() == {
        hash_of("q7"),
        hash_of("\ud800"),
    }


def test_a_hash_that_ends_in_zeros_is_one_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(ids, "hash_of", lambda id: bytes([0, 1, *bytes(int(id)), *bytes(6)])[:8])
    assert noted(tmp_path / "a", ["0", "1", "1"]).twice() == {bytes([0, 1, 0, 0, 0, 0, 0, 0])}


def test_only_suspects_are_kept():
    places = Suspects({hash_of("a")})
    places["a"], places["b"] = "row 1", "row 2"
    assert places == {"a": "row 1"}


def test_ids_of_several_files_are_compared_bucket_by_bucket(tmp_path):
    files = []
    for number, names in enumerate([range(0, 500), range(500, 900), range(899, 1000)]):
        file = Place.of(str(tmp_path / f"{number}.ids"))
        own = [f"q{n}" for n in names]
        file.write(noted(tmp_path / f"{number}", [*own, own[0]]).chunks())  # twice in one is fine
        files.append(file)
    assert not shared(files[:2], range(BUCKETS))
    assert shared(files, range(BUCKETS))
    (first,) = hash_of("q899")[:1]
    found = [start for start in range(0, BUCKETS, 8) if shared(files, range(start, start + 8))]
    assert found == [first // 8 * 8]
