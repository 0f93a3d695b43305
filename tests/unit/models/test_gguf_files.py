"""A GGUF file as a model: converted once, found by its checksum, its quantization said."""

import shutil

import pytest
from bad_exports import write

from mcqa.models.gguf_files import ensure_converted
from mcqa.models.names import resolve_model
from mcqa.scoring.loading import load_scorer


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def test_it_is_converted_once_by_its_content(cache, tmp_path, tiny_model_folder, capsys):
    file = tmp_path / "one.gguf"
    write(tiny_model_folder, file, dtype="float16")
    capsys.readouterr()
    reference = resolve_model(str(file))
    assert (reference.kind, reference.name) == ("gguf", str(file))
    folder = ensure_converted(file)
    assert reference.path == str(folder)
    told = f"{file}: llama, weights in F16 100%, F32 <1%; converting once, to float16 in {folder}\n"
    assert capsys.readouterr().err.count(told) == 1
    changed = (folder / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "moved").mkdir()
    copy = shutil.copy(file, tmp_path / "moved" / "one.gguf")
    assert ensure_converted(copy) == folder
    assert "read as float16 from" in capsys.readouterr().err
    assert (folder / "model.safetensors").stat().st_mtime_ns == changed
    write(tiny_model_folder, file, dtype="bfloat16")
    assert ensure_converted(file) != folder
    assert len(list(cache.iterdir())) == 2


def test_an_interrupted_conversion_leaves_nothing(cache, tmp_path, tiny_model_folder, monkeypatch):
    from mcqa.models import gguf_files

    file, whole = tmp_path / "one.gguf", gguf_files.convert
    write(tiny_model_folder, file)

    def interrupted(*arguments, **more):
        whole(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(gguf_files, "convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_converted(file)
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(gguf_files, "convert", whole)
    assert (ensure_converted(file) / "config.json").is_file()


def test_it_scores_as_the_folder_that_it_was_made_of(
    cache, tmp_path, tiny_model_folder, tiny_questions
):
    file = tmp_path / "one.GGUF"
    write(tiny_model_folder, file)
    how = {"dtype": "float32", "device": "cpu"}
    found, expected = (
        load_scorer(str(name), "text", **how).score_many(tiny_questions)
        for name in (file, tiny_model_folder)
    )
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


@pytest.mark.model
def test_the_embedded_models_own_file_is_the_embedded_model(cache, capsys):
    from mcqa.models.embedded import find_gguf

    question = "bundled"
    import mcqa

    questions = mcqa.load_questions(question, split="test", limit=4)
    by_file = load_scorer(str(find_gguf()), "text").score_many(questions)
    assert "llama, weights in Q4_1 79%, Q8_0 21%, F32 <1%;" in capsys.readouterr().err
    shutil.rmtree(cache)
    by_name = load_scorer("smollm2-135m", "text").score_many(questions)
    assert [p.scores for p in by_file] == [p.scores for p in by_name]
