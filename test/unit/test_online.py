"""Targets from a teacher that follows the encoder: several updates against a few lines of float64 arithmetic."""

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from tiny import Corpus
from trainings import MODEL, TRAIN

from hubert_iter import study
from hubert_iter.bin import train
from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.models.objective import Frames, Outcome, mask_of
from hubert_iter.models.objectives.online.loss import FIRST_FRAMES, Codebook
from hubert_iter.models.pretrainer import Batch, Pretrainer, build
from hubert_iter.train import config
from hubert_iter.train.update import Updater

SIZES = {**MODEL, "layers": 3}
CODES, DECAY, SETTLING, CODE_DECAY = 6, 0.8, 0.9, 0.7
OBJECTIVE = {
    "name": "online", "codes": CODES, "teacher_decay": DECAY, "teacher_settling": SETTLING, "code_decay": CODE_DECAY,
}  # fmt: skip


def alone(values: torch.Tensor) -> torch.Tensor:
    """The mean over one process."""
    return values


@pytest.fixture
def model() -> Pretrainer:
    """After one update, which deals frames to entries at random."""
    torch.manual_seed(3)
    made = build(SIZES, OBJECTIVE, None, "test")
    with torch.no_grad():
        made.objective.after_update(made.encoder, 0, alone)
        hear(made, a_batch(0))
        made.objective.after_update(made.encoder, 1, alone)
    return made


def a_batch(number: int, utterances: int = 2) -> Batch:
    random = torch.Generator().manual_seed(number)
    masked = torch.rand(utterances, 24, generator=random).argsort(1)[:, :15].sort(1).values
    return Batch(0.1 * torch.randn(utterances, 7900, generator=random), masked, None)


def hear(model: Pretrainer, batch: Batch) -> tuple[Outcome, torch.Tensor]:
    """What the objective says of a batch, and what the encoder says that it is asked about."""
    features, _ = model.encoder.frame_features(batch.wave)
    encoded = model.encoder.transform(features, mask_of(batch.masked, features.shape[1]))
    return model.objective(Frames(features, encoded, batch.masked, None, wave=batch.wave)), encoded


class Reference:
    """The protocol's few lines, from the state after the first update on; the teacher is a whole encoder."""

    def __init__(self, model: Pretrainer):
        self.teacher = copy.deepcopy(model.encoder).double().eval()
        self.entries = model.objective.codebook.entries.double()
        self.shares = model.objective.codebook.shares.double()
        self.head = {name: value.detach().double() for name, value in model.objective.head.named_parameters()}

    def hear(self, wave: torch.Tensor) -> None:
        """Block 2 of 3, each dimension of an utterance standardised, [N, D]; and each frame's nearest entry."""
        taps = {}
        self.teacher.transform(self.teacher.frame_features(wave.double())[0], observe=taps.__setitem__)
        heard = taps["2"]
        self.heard = ((heard - heard.mean(1, keepdim=True)) / heard.std(1, keepdim=True, correction=0)).flatten(0, 1)
        self.codes = torch.cdist(self.heard, self.entries).argmin(1)

    def loss(self, encoded: torch.Tensor, masked: torch.Tensor) -> float:
        """Cross-entropy of the masked frames' codes among all, by cosines over 0.1."""
        mask = mask_of(masked, encoded.shape[1]).flatten()
        queries = encoded.double().flatten(0, 1)[mask] @ self.head["query.weight"].t() + self.head["query.bias"]
        cosines = F.cosine_similarity(queries[:, None], self.head["embeddings"], dim=-1)
        return float(F.cross_entropy(cosines / 0.1, self.codes[mask]))

    def follow(self, encoder: torch.nn.Module, updates: int) -> None:
        """An entry is the mean of its frames so far, a frame weighing CODE_DECAY^age."""
        for code in range(CODES):
            mine = self.heard[self.codes == code]
            past, new = CODE_DECAY * self.shares[code], (1 - CODE_DECAY) * len(mine) / len(self.heard)
            if len(mine):
                self.entries[code] = (past * self.entries[code] + new * mine.mean(0)) / (past + new)
            self.shares[code] = past + new
        for kept, now in zip(self.teacher.parameters(), encoder.parameters(), strict=True):
            kept.lerp_(now.double(), (1 - DECAY) * SETTLING**updates)


@torch.no_grad()
def test_teacher_codebook_and_loss_equal_the_protocol(model):
    objective, reference = model.objective, Reference(model)
    for updates in range(2, 9):
        batch = a_batch(updates)
        outcome, encoded = hear(model, batch)
        reference.hear(batch.wave)
        assert float(outcome.loss) == pytest.approx(reference.loss(encoded, batch.masked), rel=1e-4)
        counts = torch.bincount(reference.codes, minlength=CODES) / len(reference.codes)
        perplexity = math.exp(-sum(share * math.log(share) for share in counts.tolist() if share))
        assert float(outcome.statistics["code_perplexity"]) == pytest.approx(perplexity, rel=1e-4)
        for value in model.encoder.parameters():  # an optimiser would do so
            value.add_(0.05 * torch.randn_like(value))
        objective.after_update(model.encoder, updates, alone)
        reference.follow(model.encoder, updates)
        torch.testing.assert_close(objective.codebook.entries.double(), reference.entries, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(objective.codebook.shares.double(), reference.shares, rtol=1e-4, atol=1e-6)
    theirs = reference.teacher.state_dict()
    for name, value in objective.teacher.state_dict().items():
        torch.testing.assert_close(value.double(), theirs[name], rtol=1e-4, atol=1e-6)


def test_the_first_frames_are_dealt_at_random(model):
    codebook = model.objective.codebook
    assert codebook.shares.sum() == pytest.approx(1.0) and (codebook.shares > 0).all()
    lengths = codebook.entries.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((CODES,), (SIZES["width"] / FIRST_FRAMES) ** 0.5))
    assert (torch.cdist(codebook.entries, codebook.entries) + 9 * torch.eye(CODES)).min() > 0.1


@torch.no_grad()
def test_two_processes_do_as_one_with_both_batches(model):
    one, two, other = model, copy.deepcopy(model), copy.deepcopy(model)
    hear(one, a_batch(5))
    hear(one, a_batch(6))
    hear(two, a_batch(5))
    hear(other, a_batch(6))
    theirs = iter((other.objective.sums, other.objective.counts))
    one.objective.after_update(one.encoder, 2, alone)
    two.objective.after_update(two.encoder, 2, lambda values: (values + next(theirs)) / 2)
    for mine, same in zip(one.objective.codebook.buffers(), two.objective.codebook.buffers(), strict=True):
        torch.testing.assert_close(mine, same)


def test_an_entry_without_frames_stays_and_comes_back_at_once():
    codebook = Codebook(2, 3, decay=0.9)
    sums = torch.tensor([[8.0, 0, 0], [0, 8.0, 0]])
    codebook.move(sums, torch.tensor([4.0, 4.0]))
    first = codebook.entries.clone()
    for _ in range(3000):  # 0.9^3000 is nothing in float32
        codebook.move(sums * torch.tensor([[1.0], [0.0]]), torch.tensor([8.0, 0.0]))
    assert torch.equal(codebook.entries[1], first[1]) and codebook.shares[1] < 1e-40
    codebook.move(torch.tensor([[8.0, 0, 0], [0, 0, 6.0]]), torch.tensor([8.0, 2.0]))
    assert codebook.entries[1].tolist() == [0, 0, 3]
    assert torch.isfinite(codebook.entries).all()


def test_the_teacher_hears_all_without_dropout_and_learns_nothing_by_gradients(model):
    model.train()
    assert not any(part.training for part in model.objective.teacher.modules())
    model(a_batch(1)).loss.backward()
    kept = model.objective.kept()
    assert {name.split(".")[0] for name in kept} == {"teacher", "codebook"}
    assert all(value.grad is None for value in kept.values())
    assert all(value.grad is not None for value in model.encoder.blocks[1].parameters())


@torch.no_grad()
def test_evaluation_scores_guesses_by_the_codes_and_leaves_nothing(model):
    model.eval()
    batch = a_batch(4)
    reference = Reference(model)
    reference.hear(batch.wave)
    outcome = model(batch)
    assert torch.equal(outcome.contest.targets.flatten(), reference.codes)
    assert model.objective.sums is None


@pytest.mark.parametrize(
    ("values", "told"),
    [((3.0, 0.5), None), ((1.5, 0.5), "about 1.5 of 6 codes"), ((3.0, 0.01), "alike to the teacher")],
)
def test_collapse_is_told(model, values, told):
    warning = model.objective.warning(dict(zip(("code_perplexity", "teacher_std"), values, strict=True)))
    assert warning is None if told is None else told in warning


def a_study(folder: Path, **objective) -> Path:
    files = {
        "model/m": MODEL,
        "train/t": {**TRAIN, "workers": 0, "checkpoint_every": 3},
        "objective/mine": {"base": "online", "codes": 12, "teacher_decay": 0.9, **objective},
        "study/s": {"model": "m", "train": "t", "updates": 8, "runs": {"one": {"objective": "mine"}}},
    }
    for name, values in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    return folder / "study/s.yaml"


def test_a_block_that_the_model_has_not_is_refused_before_the_first_stage(tmp_path):
    run = study.read(a_study(tmp_path, tap=3)).run("one")
    with pytest.raises(UserError, match=r"run one: objective\.tap: expected at most 2, .* found 3"):
        config.load(run, [tmp_path])


@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_ends_with_the_same_bytes(corpus: Corpus, tmp_path, monkeypatch):
    def command(name: str) -> list[str]:
        values = {
            "study": a_study(tmp_path), "name": "one", "conf_dirs": tmp_path, "out": tmp_path / name,
            "data": corpus.data, "valid_data": corpus.valid_data,
        }  # fmt: skip
        return [word for key, value in values.items() for word in (f"--{key}", str(value))]

    train.main(command("straight"))
    update = Updater.update

    def struck(self, number, batches):
        if number == 5:  # two updates after a checkpoint
            raise MemoryError
        return update(self, number, batches)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Updater, "update", struck)
        train.main(command("killed"))
    train.main(command("killed"))
    made = [(tmp_path / name / "model" / store.WEIGHTS).read_bytes() for name in ("straight", "killed")]
    assert made[0] == made[1]
    codebook = store.read(tmp_path / "killed/model").objective.codebook
    assert (codebook.shares > 0).sum() > 2
