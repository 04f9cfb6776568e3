"""What a study is going to do, told before it does it."""

import pytest
import torch
import yaml
from trainings import MODEL, TRAIN

from hubert_iter import study
from hubert_iter.bin import preview, train
from hubert_iter.train import calibrate, config
from hubert_iter.train import preview as steps


def test_trainings_audio_and_disk_are_those_that_come(corpus, tmp_path, capsys):
    row = {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 12, "refresh": {"every": 8, "tap": 1, "k": 9}}
    table = {"model": "m", "train": "t", "seeds": 2, "runs": {"random": {"objective": "none"}, "run": row}}
    for name, values in {"model/m": MODEL, "train/t": {**TRAIN, "milestones": [2, 11]}, "study/s": table}.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    conf = tmp_path / "conf"
    preview.main(["--study", str(conf / "study/s.yaml"), "--conf_dirs", str(conf), "--runs", "random", "run"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["random", "run.leg1", "run", "run.2.leg1", "run.2"]
    assert lines[2].split()[1:6] == ["hubert", "mfcc_k7", "0", "to", "8"]
    assert lines[3].split()[1:6] == ["hubert", "run.leg1@1_k9", "8", "to", "12"]
    assert lines[-1].startswith("In all: 2 trained networks, 4 trainings, 24 updates, 4 label sets, 0.1 hours of audio")

    found = study.read(conf / "study/s.yaml")
    _, first, _ = steps.steps(found, found.select(["random", "run.1"]), [conf], lambda settings: 4.0)
    assert first.hours_here * 3600 == pytest.approx(8 * 8 / 4)  # 8 updates of 8 s of audio, 4 of them a second
    options = {
        "study": conf / "study/s.yaml", "conf_dirs": conf, "name": "run.leg1", "out": tmp_path / "run",
        "data": corpus.data, "valid_data": corpus.valid_data,
        "labels": corpus.labels, "valid_labels": corpus.valid_labels,
    }  # fmt: skip
    train.main([word for key, value in options.items() for word in (f"--{key}", str(value))])
    files = [*tmp_path.glob("run/model/model.safetensors"), *tmp_path.glob("run/checkpoints/*/*")]
    assert len([path for path in files if path.name == "optimiser.pt"]) == 3
    sizes = sum(path.stat().st_size for path in files if path.suffix in (".safetensors", ".pt"))
    assert sizes * 0.6 < first.disk < sizes  # headers, of so small a model


def write(folder, **files):
    for name, values in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".yaml").write_text(yaml.safe_dump(values))


def test_what_another_table_on_the_same_base_would_add(tmp_path, capsys, monkeypatch):
    row = {"objective": "hubert", "targets": "mfcc", "k": 7}
    first = {"model": "m", "train": "t", "updates": 10, "runs": {"random": {"objective": "none"}, "a": row}}
    write(
        tmp_path / "conf", model__m=MODEL, train__t=TRAIN, study__first=first,
        study__more={"base": "first", "seeds": 2, "runs": {"b": row}},
        study__other={"base": "first", "runs": {"a": {"k": 9}}},
        study__elsewhere={**first, "updates": 20},
    )  # fmt: skip
    rates = []
    monkeypatch.setattr(calibrate, "speed", lambda settings, device: rates.append(settings) or 2.0)
    preview.main(["--study", str(tmp_path / "conf/study/first.yaml"), "--conf_dirs", str(tmp_path / "conf")])
    head, more, other = capsys.readouterr().out.splitlines()[-3:]
    assert head == "Other tables on the same base would add"
    assert more.startswith("  more (base: [first, more]): 3 trained networks, 3 trainings, 30 updates")  # a.2, b, b.2
    assert other.startswith("  other (a study of its own: it has other values for a): 1 trained networks")
    assert len(rates) == 1  # labels and seeds cost no further trial
    drafts = ("runs: [", "base: first\nruns: {c: {objektive: hubert}}", "base: first\nruns: {c: {model: none_yet}}")
    for draft in drafts:  # beside it, and no fault of it
        (tmp_path / "conf/study/draft.yaml").write_text(draft)
        preview.main(["--study", str(tmp_path / "conf/study/first.yaml"), "--conf_dirs", str(tmp_path / "conf")])
        assert capsys.readouterr().out.splitlines()[-3:] == [head, more, other]
    (tmp_path / "conf/study/draft.yaml").unlink()

    write(tmp_path / "conf", study__both={"base": ["first", "more"], "question": "Both?"})
    both = study.read(tmp_path / "conf/study/both.yaml")
    assert set(both.runs) == {"random", "a", "a.2", "b", "b.2"}


@pytest.mark.parametrize("longest", [2.0, 15.6], ids=["short", "base"])  # crops of BASE are longer than a trial's
def test_a_trial_gives_a_speed_and_leaves_the_configuration_alone(tmp_path, longest):
    row = {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 12}
    crops = {"max_crop_seconds": longest, "device_seconds": 2 * longest, "compile": True}
    write(
        tmp_path, model__m=MODEL, train__t=TRAIN | crops,
        study__s={"model": "m", "train": "t", "runs": {"a": row, "w": {"objective": "wav2vec2", "updates": 12}}},
    )  # fmt: skip
    for run in study.read(tmp_path / "study/s.yaml").runs.values():
        settings = config.load(run, [tmp_path])
        before = settings.as_dict()
        assert calibrate.speed(settings, torch.device("cpu")) > 1
        assert settings.as_dict() == before
