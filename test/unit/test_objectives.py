"""An objective is one module: a fifth, BEST-RQ (Chiu et al. 2022), is planned, trained and exported."""

import json

import pytest
import yaml
from tiny import ROOT, Corpus

from hubert_iter.bin import export, plan, train
from hubert_iter.errors import UserError
from hubert_iter.models import objectives, store

BEST_RQ = '''
"""Name the nearest of random codes to a random projection of a masked frame's features; neither is learnt."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from hubert_iter.models.objective import Frames, Objective, Outcome
from hubert_iter.models.settings import ObjectiveSettings, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(ObjectiveSettings):
    needs_labels: ClassVar[bool] = False
    codes: int = option(8192, "how many", least=2)
    code_width: int = option(16, "their dimensions", least=1)

    def build(self, sizes: Sizes):
        return BestRq(sizes.width, sizes.channels, self)


class BestRq(Objective):
    """Cross-entropy over the codes."""

    def __init__(self, width: int, channels: int, settings: Settings):
        super().__init__(settings)
        codes, code_width = settings.codes, settings.code_width
        self.register_buffer("projection", nn.init.xavier_uniform_(torch.empty(channels, code_width)))
        self.register_buffer("codebook", F.normalize(torch.randn(codes, code_width), dim=-1))
        self.output = nn.Linear(width, codes)

    def forward(self, frames: Frames) -> Outcome:
        with torch.no_grad():
            projected = F.normalize(frames.at_masked(frames.features) @ self.projection, dim=-1)
            labels = (projected @ self.codebook.t()).argmax(-1)
        logits = self.output(frames.at_masked(frames.encoded)).float()
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return Outcome({"masked": loss}, {"accuracy": (logits.argmax(-1) == labels).float().mean()})
'''


@pytest.fixture
def modules(extend):
    """A folder whose modules count as objectives too."""
    return extend(objectives)


def test_the_shipped_ones_are_found_by_name():
    assert objectives.names() == ["chubert", "hubert", "online", "wav2vec2"]
    for name in objectives.names():
        assert objectives.find(name, "test")().name == name


def test_a_fifth_objective_is_one_module(modules, tmp_path, corpus: Corpus, capsys):
    (modules / "bestrq.py").write_text(BEST_RQ)
    files = {
        "study/s": {
            "model": "m", "train": "debug", "updates": 12, "k": 100,
            "runs": {
                "theirs": {"objective": "bestrq", "set": {"objective.codes": 40}},
                "ours": {"objective": "hubert", "targets": "theirs@1"},
            },
        },
        "model/m": {
            "conv_channels": 8, "width": 16, "layers": 2, "heads": 2, "feedforward": 32, "position_kernel": 8,
            "position_groups": 2,
        },
    }  # fmt: skip
    conf = tmp_path / "conf"
    for name, values in files.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / f"{name}.yaml").write_text(yaml.safe_dump(values))
    study, folders = conf / "study/s.yaml", ["--conf_dirs", str(conf), str(ROOT / "conf")]
    plan.main(["--study", str(study), *folders])
    assert capsys.readouterr().out.splitlines()[0].split("\t")[:4] == ["theirs", "bestrq", "-", "-"]

    options = {
        "study": study, "name": "theirs", "out": tmp_path / "exp",
        "data": corpus.data, "valid_data": corpus.valid_data,
    }  # fmt: skip
    train.main([*folders, *(word for key, value in options.items() for word in (f"--{key}", str(value)))])
    last = json.loads((tmp_path / "exp/metrics.jsonl").read_text().splitlines()[-1])
    assert last["split"] == "valid" and last["update"] == 12 and 0 <= last["accuracy"] <= 1
    assert not any(key.startswith("guess") for key in last)  # it returns no contest
    assert len(store.read(tmp_path / "exp/model").objective.codebook) == 40

    # Its encoder goes anywhere, the whole only where the objective is known.
    command = ["--model", str(tmp_path / "exp/model"), "--out", str(tmp_path / "export")]
    export.main([*command, "--formats", "huggingface"])
    with pytest.raises(UserError, match="fairseq has no objective bestrq"):
        export.main([*command, "--formats", "fairseq"])


@pytest.mark.parametrize("text", ["", "from hubert_iter.models.settings import ObjectiveSettings\n"])
def test_a_module_without_an_objective_is_named(modules, text):
    (modules / "empty.py").write_text(text)
    with pytest.raises(UserError, match=r"empty\.py: expected one subclass of ObjectiveSettings, found 0"):
        objectives.find("empty", "test")
