"""What a study is going to do, told before it does it."""

import yaml
from trainings import MODEL, TRAIN

from hubert_iter import study
from hubert_iter.bin import preview, train
from hubert_iter.train import preview as steps


def test_trainings_audio_and_disk_are_those_that_come(corpus, tmp_path, capsys):
    row = {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 12, "refresh": {"every": 8, "tap": 1, "k": 9}}
    table = {"model": "m", "train": "t", "seeds": 2, "runs": {"random": {"objective": "none"}, "run": row}}
    for name, values in {"model/m": MODEL, "train/t": {**TRAIN, "milestones": [2, 11]}, "study/s": table}.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    conf = tmp_path / "conf"
    preview.main(["--study", str(conf / "study/s.yaml"), "--conf_dirs", str(conf)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["random", "run.leg1", "run", "run.2.leg1", "run.2"]
    assert lines[2].split()[1:6] == ["hubert", "mfcc_k7", "0", "to", "8"]
    assert lines[3].split()[1:6] == ["hubert", "run.leg1@1_k9", "8", "to", "12"]
    assert lines[-1].startswith("In all: 2 trained networks, 4 trainings, 24 updates, 4 label sets, 0.1 hours of audio")

    found = study.read(conf / "study/s.yaml")
    _, first, _ = steps.steps(found, found.select(["random", "run.1"]), [conf])
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
