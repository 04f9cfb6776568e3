import json
import shutil
import signal
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny import Corpus, write_noise
from trainings import MODEL, TRAIN, TWO_PROCESSES, start, wait_for

from hubert_iter import provenance, study
from hubert_iter.bin import export, train
from hubert_iter.errors import UserError
from hubert_iter.feats.layers import open_model
from hubert_iter.models import store
from hubert_iter.train import checkpoint, config
from hubert_iter.train.run import _fresh
from hubert_iter.train.schedule import learning_rate


def configuration(folder: Path, updates: int = 12, **train_values) -> Path:
    study = {
        "model": "m", "train": "t",
        "runs": {
            "random": {"objective": "none"},
            "first": {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": updates},
        },
    }  # fmt: skip
    files = {
        "model/m": MODEL,
        "train/t": {**TRAIN, **train_values},
        "study/s": study,
    }
    for name, values in files.items():
        path = folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    return folder / "conf"


def options(conf: Path, corpus: Corpus, out: Path, run: str = "first") -> list[str]:
    values = {
        "study": conf / "study/s.yaml", "name": run, "conf_dirs": conf, "out": out,
        "data": corpus.data, "valid_data": corpus.valid_data,
        "labels": corpus.labels, "valid_labels": corpus.valid_labels,
    }  # fmt: skip
    return [word for key, value in values.items() for word in (f"--{key}", str(value))]


def launch(conf: Path, corpus: Corpus, out: Path, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    return start(*launcher, "-m", "hubert_iter.bin.train", *options(conf, corpus, out))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_and_resumed_ends_with_identical_weights(corpus, tmp_path, one_thread, number):
    conf = configuration(tmp_path, updates=30)
    # In a folder whose name has a space, as users have.
    straight, interrupted = tmp_path / "straight run", tmp_path / "interrupted run"
    assert launch(conf, corpus, straight).wait(300) == 0

    process = launch(conf, corpus, interrupted)
    wait_for(interrupted / "checkpoints/update_8", process)
    process.send_signal(number)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), output
    assert not (interrupted / "model").exists()
    assert launch(conf, corpus, interrupted).wait(300) == 0

    def weights(folder):
        return provenance.file_hash(folder / "model" / store.WEIGHTS)

    def rows(folder):
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return [
            {k: v for k, v in json.loads(line).items() if k not in ("seconds", "audio_per_second")} for line in lines
        ]

    assert weights(straight) == weights(interrupted)
    assert [row["update"] for row in rows(interrupted)] == [row["update"] for row in rows(straight)]
    finals = [[row for row in rows(folder) if row["split"] == "valid"][-1] for folder in (straight, interrupted)]
    assert finals[0] == finals[1]


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_taken(corpus, tmp_path, one_thread, caplog):
    conf = configuration(tmp_path, updates=12, checkpoint_every=4, keep_checkpoints=9)
    train.main(options(conf, corpus, tmp_path / "straight"))
    train.main(options(conf, corpus, tmp_path / "run"))
    shutil.rmtree(tmp_path / "run/model")
    saved = tmp_path / "run/checkpoints"
    (saved / "update_12/manifest.json").unlink()
    weights = saved / "update_8" / store.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 4
    weights.write_bytes(content)
    train.main(options(conf, corpus, tmp_path / "run"))
    assert "update_8 is damaged (model.safetensors: its content has changed)" in caplog.text
    assert sorted(path.name for path in saved.iterdir()) == [
        "damaged_12",
        "damaged_8",
        "update_12",
        "update_4",
        "update_8",
    ]
    made = [provenance.file_hash(tmp_path / name / "model" / store.WEIGHTS) for name in ("straight", "run")]
    assert made[0] == made[1]


class Kept:
    """Checkpoints of a model so small that they take no time."""

    def __init__(self, folder: Path, settings: object = None):
        self.model = torch.nn.Linear(4, 3)
        self.optimiser = torch.optim.AdamW(self.model.parameters())
        self.model(torch.ones(1, 4)).sum().backward()
        self.optimiser.step()
        description = {"model": {}, "objective": None, "classes": None}
        self.all = checkpoint.Checkpoints(folder, description, 2, settings=settings)

    def save(self, *updates: int) -> checkpoint.Checkpoints:
        """Each of these updates, until it is on the disk."""
        for update in updates:
            self.all.save(checkpoint.State(update), self.model, self.optimiser)
            self.all.finish()
        return self.all


@pytest.mark.parametrize("name", ["model.safetensors", "model.yaml", "optimiser.pt", "state.json", "manifest.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "remove"])
def test_every_damage_of_a_checkpoint_is_noticed(tmp_path, name, how):
    kept = Kept(tmp_path).save(1, 2)
    path = tmp_path / "update_2" / name
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b""}.get(how, bytes(content)))
    if how == "remove":
        path.unlink()
    kept.set_damaged_aside()
    # One flipped bit of the manifest's own hash of settings makes it a checkpoint of another training.
    assert kept.last() == tmp_path / "update_1"


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    Kept(tmp_path, {"learning_rate": 1e-3}).save(1).set_damaged_aside()
    with pytest.raises(UserError, match="update_1: expected a checkpoint of this training, found one with other"):
        Kept(tmp_path, {"learning_rate": 2e-3}).all.set_damaged_aside()
    assert (tmp_path / "update_1").is_dir()


def test_a_full_disk_is_noticed_before_writing_and_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    kept.save(1)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(UserError, match="expected disk space for a checkpoint"):
        kept.save(2)
    assert [path.name for path in tmp_path.iterdir()] == ["update_1"]


def test_what_befalls_the_writing_of_a_checkpoint_reaches_the_training(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    kept.save(1)

    def full(*args):
        raise OSError(28, "No space left on device", "weights")

    monkeypatch.setattr(store, "write_weights", full)
    with pytest.raises(OSError, match="No space left"):
        kept.save(2)
    assert kept.all.last() == tmp_path / "update_1" and not checkpoint.damage(kept.all.last())


def test_a_checkpoint_holds_the_weights_of_its_moment(tmp_path):
    """Weights change in place while it is being written."""
    kept = Kept(tmp_path)
    before = kept.model.weight.detach().clone()
    kept.all.save(checkpoint.State(1), kept.model, kept.optimiser)
    with torch.no_grad():
        kept.model.weight.zero_()
    kept.all.finish()
    store.load_weights(kept.model, kept.all.last())
    assert torch.equal(kept.model.weight, before)


def test_the_training_goes_on_while_a_checkpoint_is_being_written(tmp_path, monkeypatch):
    kept, may_go_on, began, write = Kept(tmp_path), threading.Event(), [], store.write_weights

    def slow_disk(*args):
        began.append(True)
        assert may_go_on.wait(60), "the training waited for the disk"
        write(*args)

    monkeypatch.setattr(store, "write_weights", slow_disk)
    kept.all.save(checkpoint.State(1), kept.model, kept.optimiser)
    assert kept.all.last() is None, "not on the disk yet, and yet it goes on"
    # The next one, and the end, wait for it.
    threading.Timer(0.2, may_go_on.set).start()
    kept.all.save(checkpoint.State(2), kept.model, kept.optimiser)
    assert 1 in kept.all.all()
    kept.all.finish()
    assert list(kept.all.all()) == [1, 2] and len(began) == 2


def test_two_processes_train_one_model_and_resume(corpus, tmp_path, one_thread):
    # Layerdrop: blocks without a gradient must not make the processes wait for each other.
    conf = configuration(tmp_path, updates=12)
    (conf / "model/m.yaml").write_text(yaml.safe_dump({**MODEL, "layerdrop": 0.5}))
    straight = launch(conf, corpus, tmp_path / "straight", TWO_PROCESSES)
    assert straight.wait(300) == 0, straight.communicate()[0]
    process = launch(conf, corpus, tmp_path / "run", TWO_PROCESSES)
    wait_for(tmp_path / "run/checkpoints/update_4", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    again = launch(conf, corpus, tmp_path / "run", TWO_PROCESSES)
    output = again.communicate(timeout=300)[0]
    assert again.returncode == 0, output
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows if row["split"] == "train"] == [2, 4, 6, 8, 10, 12]
    # An update still is batch_seconds of audio: each process goes through fewer batches.
    assert rows[-1]["split"] == "valid"
    assert max(row["hours"] for row in rows if "hours" in row) == pytest.approx(12 * 8 / 3600, rel=0.3)
    # Each process draws its own dropout after resuming, as before.
    made = [provenance.file_hash(tmp_path / name / "model" / store.WEIGHTS) for name in ("straight", "run")]
    assert made[0] == made[1]


def test_finished_run_is_left_alone_and_a_changed_setting_sets_it_aside(corpus, tmp_path):
    conf = configuration(tmp_path, updates=2)
    out = tmp_path / "run"
    train.main(options(conf, corpus, out))
    before = provenance.identity(out / "model")
    written = (out / "model" / store.WEIGHTS).stat().st_mtime_ns
    train.main(options(conf, corpus, out))
    assert (out / "model" / store.WEIGHTS).stat().st_mtime_ns == written

    # How often to report does not shape the result; the learning rate does.
    configuration(tmp_path, updates=2, log_every=1)
    train.main(options(conf, corpus, out))
    assert (out / "model" / store.WEIGHTS).stat().st_mtime_ns == written
    table = yaml.safe_load((conf / "study/s.yaml").read_text())
    table["runs"]["first"]["set"] = {"train.log_every": 1}
    (conf / "study/s.yaml").write_text(yaml.safe_dump(table))
    train.main(options(conf, corpus, out))
    assert (out / "model" / store.WEIGHTS).stat().st_mtime_ns == written
    configuration(tmp_path, updates=2, learning_rate=5e-3)
    train.main(options(conf, corpus, out))
    assert provenance.identity(out / "model") != before
    assert provenance.identity(tmp_path / "old/run.1/model") == before, "the earlier result must be kept"


def test_log_of_a_training_is_kept_over_all_calls_and_goes_aside_with_it(corpus, tmp_path, caplog, broken_batches):
    caplog.set_level("INFO")
    conf = configuration(tmp_path, updates=2)
    out = tmp_path / "run"
    train.main(options(conf, corpus, out))
    told = (out / "train.log").read_text()
    assert "train update 2:" in told
    train.main(options(conf, corpus, out))
    assert (out / "train.log").read_text() == told, "a call with nothing to do must leave it alone"
    shutil.rmtree(out / "model")
    train.main(options(conf, corpus, out))
    assert (out / "train.log").read_text().startswith(told)
    assert "going on from" in (out / "train.log").read_text()
    broken_batches.update(range(2, 100))
    configuration(tmp_path, updates=50, max_skipped=3, log_every=1)
    with pytest.raises(UserError):
        train.main(options(conf, corpus, out))
    assert (tmp_path / "old/run.1/train.log").read_text().startswith(told)
    assert "ERROR ended by UserError" in (out / "train.log").read_text()


def test_validation_and_chance_are_reported(corpus, tmp_path):
    conf = configuration(tmp_path, updates=6)
    train.main(options(conf, corpus, tmp_path / "run"))
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    valid = [row for row in rows if row["split"] == "valid"][-1]
    assert 1 / corpus.k <= valid["chance"] < 1
    assert 0 <= valid["accuracy"] <= 1
    assert valid["update"] == 6
    hours = [row["hours"] for row in rows if row["split"] == "train"]
    assert hours == sorted(hours)
    assert hours[-1] == pytest.approx(6 * 8 / 3600, rel=0.3)


def test_random_network_needs_no_labels(corpus, tmp_path):
    conf = configuration(tmp_path)
    train.main(options(conf, corpus, tmp_path / "random", run="random"))
    folder = tmp_path / "random/model"
    assert store.describe(folder)["updates"] == 0


def test_random_network_has_an_encoder_alone_which_can_be_read_and_exported(corpus, tmp_path):
    conf = configuration(tmp_path)
    train.main(options(conf, corpus, tmp_path / "random", run="random"))
    folder = tmp_path / "random/model"
    model = store.read(folder)
    assert model.objective is None and all(name.startswith("encoder.") for name in model.state_dict())
    # The same as that of a run that is to be trained.
    table = study.read(conf / "study/s.yaml")
    fresh = _fresh(config.load(table.run("first"), [conf])).encoder.state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in model.encoder.state_dict().items())
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    assert list(open_model(folder).taps(samples)) == ["conv", "0", "1", "2"]
    for name in ("huggingface", "torchaudio"):
        export.main(["--model", str(folder), "--formats", name, "--out", str(tmp_path)])
        assert "objective: none: random weights" in (tmp_path / name / "README.md").read_text()
    with pytest.raises(UserError, match="fairseq has no model without an objective"):
        export.main(["--model", str(folder), "--formats", "fairseq", "--out", str(tmp_path)])


def test_labels_of_another_kmeans_are_refused(corpus, tmp_path):
    from hubert_iter.bin import fit_kmeans, make_labels

    root = corpus.data.parent
    mfcc = ["--data", str(corpus.data), "--mfcc", str(root / "mfcc/train")]
    fit_kmeans.main([*mfcc, "--out", str(tmp_path / "kmeans"), "--k", "7", "--portion", "1.0", "--seed", "5"])
    features = ["--data", str(corpus.valid_data), "--mfcc", str(root / "mfcc/valid")]
    make_labels.main([*features, "--kmeans", str(tmp_path / "kmeans"), "--out", str(tmp_path / "labels")])
    conf = configuration(tmp_path)
    mixed = Corpus(corpus.data, corpus.valid_data, corpus.labels, tmp_path / "labels", 7)
    with pytest.raises(UserError, match=r"kmeans"):
        train.main(options(conf, mixed, tmp_path / "run"))


def layer_labels(corpus: Corpus, teacher: Path, tap: str, folder: Path) -> Corpus:
    """The corpus with labels that are clusters of a layer."""
    from hubert_iter.bin import fit_kmeans, make_labels

    source = ["--model", str(teacher), "--tap", tap]
    fit = ["--out", str(folder / "kmeans"), "--k", "7", "--portion", "1.0"]
    fit_kmeans.main(["--data", str(corpus.data), *source, *fit])
    for data, name in ((corpus.data, "train"), (corpus.valid_data, "valid")):
        out = ["--kmeans", str(folder / "kmeans"), "--out", str(folder / name)]
        make_labels.main(["--data", str(data), *source, *out])
    return Corpus(corpus.data, corpus.valid_data, folder / "train", folder / "valid", 7)


def test_labels_of_another_teacher_tap_or_kind_are_refused(corpus, tmp_path):
    conf = configuration(tmp_path, updates=2)
    study = yaml.safe_load((conf / "study/s.yaml").read_text())
    study["runs"]["second"] = {**study["runs"]["first"], "targets": "first@1"}
    (conf / "study/s.yaml").write_text(yaml.safe_dump(study))
    for run in ("random", "first"):
        train.main(options(conf, corpus, tmp_path / run, run=run))
    teacher, other = tmp_path / "first/model", tmp_path / "random/model"
    right = layer_labels(corpus, teacher, "1", tmp_path / "right")
    command = [*options(conf, right, tmp_path / "second", run="second"), "--teacher_model"]
    with pytest.raises(UserError, match=r"first@1.*name the folder of first's model by --teacher_model"):
        train.main(command[:-1])
    with pytest.raises(UserError, match=r"run second: .*targets: first@1, that is tap 1 of model"):
        train.main([*command, str(other)])
    wrong_tap = layer_labels(corpus, teacher, "2", tmp_path / "wrong")
    with pytest.raises(UserError, match=r"tap 1 of model .* made from tap 2 of model"):
        train.main([*options(conf, wrong_tap, tmp_path / "second", run="second"), "--teacher_model", str(teacher)])
    with pytest.raises(UserError, match=r"tap 1 of model .* made from 39-d mfcc"):
        train.main([*options(conf, corpus, tmp_path / "second", run="second"), "--teacher_model", str(teacher)])
    with pytest.raises(UserError, match=r"targets: mfcc, but these labels were made from tap 1"):
        train.main(options(conf, right, tmp_path / "first again", run="first"))
    train.main([*command, str(teacher)])
    assert (tmp_path / "second/model").is_dir()


def test_labels_of_another_replicate_are_refused(corpus, tmp_path):
    conf = configuration(tmp_path)
    study = yaml.safe_load((conf / "study/s.yaml").read_text())
    (conf / "study/s.yaml").write_text(yaml.safe_dump({**study, "seeds": 2}))
    with pytest.raises(UserError, match=r"run first\.2: .*expected labels of replicate 2, found those of replicate 1"):
        train.main(options(conf, corpus, tmp_path / "run", run="first.2"))


def test_what_an_update_draws_does_not_depend_on_what_was_drawn_before(corpus, tmp_path, monkeypatch):
    from hubert_iter.train.update import Updater

    conf = configuration(tmp_path, updates=4, workers=0)
    train.main(options(conf, corpus, tmp_path / "run"))
    try_out = Updater.try_out

    def and_draw(self, batch):
        torch.rand(17)
        return try_out(self, batch)

    monkeypatch.setattr(Updater, "try_out", and_draw)
    train.main(options(conf, corpus, tmp_path / "disturbed"))
    made = [provenance.file_hash(tmp_path / name / "model" / store.WEIGHTS) for name in ("run", "disturbed")]
    assert made[0] == made[1]


def test_held_out_utterances_that_are_trained_on_are_refused(corpus, tmp_path):
    conf = configuration(tmp_path)
    mixed = Corpus(corpus.data, corpus.data, corpus.labels, corpus.labels, 7)
    with pytest.raises(UserError, match="also in"):
        train.main(options(conf, mixed, tmp_path / "run"))


def test_labels_of_other_data_are_refused(corpus, tmp_path):
    write_noise(tmp_path / "other", 4, 3.0, 8)
    conf = configuration(tmp_path)
    mixed = Corpus(tmp_path / "other", corpus.valid_data, corpus.labels, corpus.valid_labels, 7)
    with pytest.raises(UserError, match="made for"):
        train.main(options(conf, mixed, tmp_path / "run"))


def test_unknown_key_names_file_and_nearest_key(corpus, tmp_path):
    conf = configuration(tmp_path, learning_rat=1.0)
    with pytest.raises(UserError, match=r"t\.yaml.*learning_rat.*did you mean learning_rate"):
        train.main(options(conf, corpus, tmp_path / "run"))


def test_loss_that_is_not_finite_is_skipped_and_at_last_stops_the_run(corpus, tmp_path, broken_batches):
    broken_batches.update(range(4, 400))
    conf = configuration(tmp_path, updates=200, max_skipped=3, log_every=1)
    with pytest.raises(UserError, match="not finite"):
        train.main(options(conf, corpus, tmp_path / "run"))
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert sum(row.get("skipped", 0) for row in rows) >= 2


def test_a_broken_batch_leaves_weights_and_moments_alone_and_the_run_goes_on(corpus, tmp_path, broken_batches):
    broken_batches.add(5)  # the second batch of the third update
    conf = configuration(tmp_path, updates=4, workers=0, log_every=1, checkpoint_every=1, keep_checkpoints=9)
    train.main(options(conf, corpus, tmp_path / "run"))
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["skipped"] for row in rows if row["split"] == "train"] == [0, 0, 1, 0]
    assert all(np.isfinite(row["loss"]) for row in rows)
    saved = [tmp_path / f"run/checkpoints/update_{update}" for update in (1, 2, 3, 4)]
    weights = [provenance.file_hash(folder / store.WEIGHTS) for folder in saved]
    assert [before == after for before, after in pairwise(weights)] == [False, True, False]
    moments = [torch.load(folder / "optimiser.pt", weights_only=True)["state"] for folder in saved]
    torch.testing.assert_close(moments[2], moments[1], rtol=0, atol=0)
    assert moments[3][0]["step"] == 3


def test_a_row_of_broken_batches_between_two_logs_stops_the_run(corpus, tmp_path, broken_batches):
    broken_batches.update(range(4, 10))  # updates 2 to 4, followed by a sound one
    conf = configuration(tmp_path, updates=10, workers=0, log_every=10, max_skipped=3)
    with pytest.raises(UserError, match="3 updates in a row"):
        train.main(options(conf, corpus, tmp_path / "run"))


def test_learning_rate_rises_then_falls_to_zero():
    rates = np.array([learning_rate(update, 100, 5e-4, 0.08) for update in range(101)])
    assert rates.argmax() in (7, 8)
    assert rates.max() == pytest.approx(5e-4)
    assert np.all(np.diff(rates[:8]) > 0)
    assert np.all(np.diff(rates[8:]) < 0)
    assert rates[100] == 0
