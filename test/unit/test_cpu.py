"""The door to the fast forms: who gets which, and that the whole model computes the same with them."""

import copy

import torch
from torch import nn

from hubert_iter.feats.layers import LayerModel
from hubert_iter.models import cpu
from hubert_iter.models.pretrainer import Batch, Pretrainer, build

MODEL = {
    "conv_channels": 16, "width": 32, "layers": 2, "heads": 4, "feedforward": 48, "position_kernel": 16,
    "position_groups": 4, "dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0, "layerdrop": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")


def model(objective: str = "wav2vec2") -> Pretrainer:
    torch.manual_seed(0)
    return build(MODEL, {"name": objective}, 5 if objective == "hubert" else None, "test")


def kinds(module: nn.Module) -> set[type]:
    return {type(part) for part in module.modules()}


def test_a_placed_model_has_all_forms_and_no_plain_part_left():
    placed = cpu.place(model(), CPU)
    assert {*cpu.FORMS.values(), *cpu.ENCODER_FORMS.values()} <= kinds(placed)
    assert not {*cpu.FORMS, *cpu.ENCODER_FORMS} & kinds(placed.encoder)
    assert not {*cpu.FORMS} & kinds(placed.objective)
    assert type(placed.objective.query) is nn.Linear


def test_on_other_devices_all_parts_stay_plain():
    placed = cpu.place(model(), torch.device("meta"))
    assert {*cpu.FORMS, *cpu.ENCODER_FORMS} <= kinds(placed.encoder)
    assert not {*cpu.FORMS.values(), *cpu.ENCODER_FORMS.values()} & kinds(placed)


def test_parameters_stay_the_same_objects():
    plain = model()
    before = dict(plain.named_parameters())
    placed = cpu.place(plain, CPU)
    assert [(name, id(value)) for name, value in placed.named_parameters()] == [(n, id(v)) for n, v in before.items()]
    assert kinds(copy.deepcopy(placed)) == kinds(placed)


def test_layers_are_read_with_the_fast_forms():
    assert cpu.FourierPositions in kinds(LayerModel(model().encoder, {}, CPU).encoder)


def loss_and_gradient(each: Pretrainer, half: bool) -> tuple[torch.Tensor, torch.Tensor]:
    wave = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    batch = Batch(wave, torch.arange(10, 40, 2).repeat(2, 1), torch.arange(49).repeat(2, 1) % 5)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = each(batch).loss
    loss.backward()
    return loss, nn.utils.parameters_to_vector(p.grad for p in each.parameters() if p.grad is not None)


def test_loss_and_gradients_equal_the_plain_model_s():
    found = loss_and_gradient(cpu.place(model("hubert"), CPU), half=False)
    expected = loss_and_gradient(model("hubert"), half=False)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0)
    assert (found[1] - expected[1]).norm() < 1e-4 * expected[1].norm()


def test_in_bfloat16_gradients_are_as_near_to_those_of_float32_as_the_plain_model_s():
    exact = loss_and_gradient(model("hubert"), half=False)[1]
    placed = loss_and_gradient(cpu.place(model("hubert"), CPU), half=True)[1]
    plain = loss_and_gradient(model("hubert"), half=True)[1]
    assert (placed - exact).norm() < 1.5 * (plain - exact).norm()
