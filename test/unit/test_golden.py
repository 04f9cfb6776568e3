"""The losses of the first 20 updates of each objective on synthetic speech, as they were when last looked at.

The whole of training is in them: corpus, sampler, crops, masks, encoder, dropout, objective, schedule, optimiser. A
change that means to alter none of it must leave them; one that means to is followed by

    python test/unit/test_golden.py

which writes golden_losses.json anew, to be committed with the change. One thread, on the CPU. Gradients' norms are
compared too, since they show what the losses of so few updates hardly do.

TOLERANCE covers other processors and library versions, whose sums round differently: 6e-6 between instruction sets of
one processor. Deviations, as measured: another mask length, one negative less 1e-1; another clip, weight decay,
second beta of Adam or Gumbel schedule 2e-3 to 5e-2.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

FILE = Path(__file__).with_name("golden_losses.json")
TOLERANCE = 1e-3
UPDATES, CLASSES = 20, 40
MODEL = {
    "conv_channels": 16, "width": 32, "layers": 3, "heads": 4, "feedforward": 64, "position_kernel": 16,
    "position_groups": 4, "layerdrop": 0.1,
}  # fmt: skip
OBJECTIVES = {
    "hubert": {"name": "hubert"},
    "chubert": {"name": "chubert"},
    "wav2vec2": {"name": "wav2vec2", "entries": 20, "gumbel_decay": 0.95},
    "online": {"name": "online", "codes": 20, "teacher_decay": 0.8, "teacher_settling": 0.95},
}
PLAN = {"num_speakers": 6, "eval_speakers": 2, "sentences_per_speaker": 6, "valid_utterances": 3}


def corpus(folder: Path, name: str):
    """A set of the synthetic corpus, and the number of the phone that is spoken at each frame, 39 for none."""
    from hubert_iter.corpora import synth
    from hubert_iter.corpora.ipa import PHONES
    from hubert_iter.data import datadir
    from hubert_iter.data.alignment import frame_labels, read_ctm
    from hubert_iter.frames import num_frames

    (folder / name).mkdir()
    synth.make(synth.Plan(**PLAN), name, folder / name, folder / name)
    data, phones = datadir.read(folder / name), read_ctm(folder / name / "phones.ctm")
    numbers = {phone: number for number, phone in enumerate(sorted(PHONES))}
    labels = {}
    for utterance in data.utterances:
        spoken = frame_labels(phones[utterance.id], num_frames(utterance.num_samples), numbers)
        labels[utterance.id] = np.where(spoken < 0, len(PHONES), spoken).astype(np.int32)
    return data, labels


def train(name: str, folder: Path, updates: int = UPDATES, **changes) -> list[dict]:
    """The rows of metrics.jsonl of a short training."""
    from hubert_iter import options
    from hubert_iter.models import objectives
    from hubert_iter.models.pretrainer import build
    from hubert_iter.train.config import RunConfig, TrainConfig
    from hubert_iter.train.distributed import World
    from hubert_iter.train.loop import Material, Trainer

    needs_labels = objectives.find(OBJECTIVES[name]["name"], "test").needs_labels
    classes = CLASSES if needs_labels else None
    settings = options.read(
        TrainConfig,
        {"batch_seconds": 16.0, "device_seconds": 8.0, "max_crop_seconds": 2.0, "learning_rate": 5e-3, "clip": 0.5,
         "weight_decay": 0.1, "workers": 0, "log_every": 1, "valid_every": updates, "precision": "float32",
         **changes}, "test",
    )  # fmt: skip
    facts = {"name": name, "objective": name, "updates": updates, "seed": 3, "replicate": 1, "iteration": 1}
    config = RunConfig(facts, MODEL, OBJECTIVES[name], settings, classes)
    materials = []
    for part in ("train", "valid"):
        data, labels = corpus(folder, part)
        materials.append(Material(data, labels if needs_labels else None))
    torch.manual_seed(3)
    model = build(MODEL, OBJECTIVES[name], classes, "test")
    Trainer(config, model, *materials, World(0, 1, torch.device("cpu"))).run(folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(name: str, folder: Path) -> dict[str, list[float]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = train(name, folder)
    finally:
        torch.set_num_threads(threads)
    training = [row for row in rows if row["split"] == "train"]
    return {
        "loss": [row["loss"] for row in training],
        "grad_norm": [row["grad_norm"] for row in training],
        "valid": [row["loss"] for row in rows if row["split"] == "valid"],
    }


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_first_losses_are_the_golden_ones(name, tmp_path):
    golden = json.loads(FILE.read_text())
    found, expected = losses(name, tmp_path), golden["losses"][name]
    assert (len(found["loss"]), len(found["valid"])) == (UPDATES, 1)
    note = f"written with torch {golden['torch']}, here {torch.__version__}"
    for series in ("valid", "grad_norm", "loss"):
        np.testing.assert_allclose(found[series], expected[series], rtol=TOLERANCE, err_msg=f"{series}: {note}")


def test_the_golden_losses_fall():
    # Otherwise the updates would hardly be in them.
    for series in json.loads(FILE.read_text())["losses"].values():
        assert np.mean(series["loss"][-5:]) < np.mean(series["loss"][:5]) - 100 * TOLERANCE


def main() -> None:
    golden = {"torch": torch.__version__, "losses": {}}
    for name in OBJECTIVES:
        with tempfile.TemporaryDirectory() as folder:
            golden["losses"][name] = losses(name, Path(folder))
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
