"""The losses of the first 20 updates of each objective, as they were when last looked at.

The whole of training is in them: sampler, crops, masks, encoder, dropout, objective, schedule, optimiser. A change that
means to alter none of it must leave them; one that means to is followed by

    python test/unit/test_golden.py

which writes golden_losses.json anew, to be committed with the change. One thread, on the CPU. TOLERANCE covers other
processors and library versions, whose sums round differently. Measured with a learning rate of 3e-3: the convolutions
in their other form moved the losses by less than 1e-5; another mask length, one negative less or another Gumbel
schedule by 2e-3 to 2e-2; Adam's other values by less than 4e-4, which TOLERANCE lets pass.
Norms of the gradients are compared too, since they show what the losses of so few updates hardly do.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

FILE = Path(__file__).with_name("golden_losses.json")
TOLERANCE = 1e-3
UPDATES, CLASSES = 20, 8
MODEL = {
    "conv_channels": 16, "width": 32, "layers": 3, "heads": 4, "feedforward": 64, "position_kernel": 16,
    "position_groups": 4, "layerdrop": 0.1,
}  # fmt: skip
OBJECTIVES = {
    "hubert": {"name": "hubert"},
    "chubert": {"name": "chubert"},
    "wav2vec2": {"name": "wav2vec2", "entries": 20, "gumbel_decay": 0.95},
}


def write_tones(folder: Path, utterances: int, seed: int):
    """Utterances of tones in noise, a new one of eight every tenth of a second; the tone is the label."""
    from hubert_iter.data.audio import num_frames
    from hubert_iter.data.datadir import DataDir, Utterance

    random = np.random.default_rng(seed)
    entries, labels = [], {}
    for number in range(utterances):
        tones = random.integers(CLASSES, size=int(random.integers(15, 30)))
        time = np.arange(1600 * len(tones)) / 16000
        tone = np.repeat(tones, 1600)
        samples = 4000 * np.sin(2 * np.pi * 300 * (1 + tone) * time) + random.normal(0, 500, len(time))
        name = f"u{seed}{number:02d}"
        path = folder / f"{name}.wav"
        soundfile.write(path, samples.astype(np.int16), 16000)
        entries.append(Utterance(name, f"u{seed}", len(time), str(path)))
        # Frame t's centre is sample 320 t + 200.
        labels[name] = tone[320 * np.arange(num_frames(len(time))) + 200].astype(np.int32)
    return DataDir(folder, tuple(entries), {}), labels


def train(name: str, folder: Path, updates: int = UPDATES, **changes) -> list[dict]:
    """The rows of metrics.jsonl of a short training."""
    from hubert_iter.models import objectives
    from hubert_iter.models.pretrainer import build
    from hubert_iter.train.config import RunConfig, TrainConfig
    from hubert_iter.train.distributed import World
    from hubert_iter.train.loop import Material, Trainer

    needs_labels = objectives.find(OBJECTIVES[name]["name"], "test").needs_labels
    classes = CLASSES if needs_labels else None
    settings = TrainConfig.read(
        {"batch_seconds": 16.0, "device_seconds": 8.0, "max_crop_seconds": 2.0, "learning_rate": 5e-3, "clip": 0.5,
         "weight_decay": 0.1, "workers": 0, "log_every": 1, "valid_every": updates, **changes}, "test",
    )  # fmt: skip
    facts = {"name": name, "objective": name, "updates": updates, "seed": 3}
    config = RunConfig(facts, MODEL, OBJECTIVES[name], settings, classes)
    materials = []
    for seed, utterances in ((0, 16), (1, 3)):
        data, labels = write_tones(folder, utterances, seed)
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
