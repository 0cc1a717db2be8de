import pytest
import torch
from torch import nn

from pipelines.lora import NO_LORA, FusedModule, LoraSet
from pipelines.lora_files import LoraFile, LoraLayer


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.conv = nn.Conv2d(2, 4, 3)


def file_for(module: Pair, sha256: str, seed: int) -> LoraFile:
    generator = torch.Generator().manual_seed(seed)
    linear = LoraLayer(torch.randn(2, 3, generator=generator), torch.randn(5, 2, generator=generator))
    conv = LoraLayer(torch.randn(2, 2, 3, 3, generator=generator), torch.randn(4, 2, 1, 1, generator=generator))
    return LoraFile(sha256=sha256, layers={"unet": {"linear": linear, "conv": conv}})


@pytest.fixture
def module() -> Pair:
    torch.manual_seed(1)
    return Pair()


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_fusing_adds_up_times_down(module):
    before, file = snapshot(module), file_for(module, "a", 0)
    FusedModule("unet", module).wear(LoraSet(((file, 0.5),)))
    layer = file.layers["unet"]["linear"]
    torch.testing.assert_close(module.linear.weight, before["linear.weight"] + 0.5 * layer.up @ layer.down)
    x = torch.randn(1, 2, 6, 6)
    conv = file.layers["unet"]["conv"]
    gain = nn.functional.conv2d(nn.functional.conv2d(x, conv.down), conv.up)
    plain = nn.functional.conv2d(x, before["conv.weight"], before["conv.bias"])
    torch.testing.assert_close(module.conv(x), plain + 0.5 * gain)


def test_taking_a_lora_off_leaves_no_trace_however_many_were_worn(module):
    before, fused = snapshot(module), FusedModule("unet", module)
    for round_ in range(20):
        fused.wear(LoraSet(((file_for(module, f"{round_}", round_), 0.7),)))
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_a_set_is_worn_alike_whatever_was_worn_before(module):
    fused = FusedModule("unet", module)
    wanted = LoraSet(((file_for(module, "a", 0), 0.5), (file_for(module, "b", 1), 0.25)))
    fused.wear(wanted)
    first = snapshot(module)
    fused.wear(LoraSet(((file_for(module, "c", 2), 3.0),)))
    fused.wear(wanted)
    assert same(snapshot(module), first)


def test_half_precision_is_rounded_once_from_the_pristine_weight(module):
    module.half()
    before, fused = snapshot(module), FusedModule("unet", module)
    first, second = file_for(module, "a", 0), file_for(module, "b", 1)
    fused.wear(LoraSet(((first, 0.5), (second, 0.25))))
    one, two = (file.layers["unet"]["linear"] for file in (first, second))
    exact = before["linear.weight"].float() + (one.up @ one.down) * 0.5 + (two.up @ two.down) * 0.25
    assert torch.equal(module.linear.weight, exact.half())
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_a_failure_half_way_is_undone_by_the_next_wear(module):
    before, fused, file = snapshot(module), FusedModule("unet", module), file_for(module, "a", 0)
    broken = LoraLayer(torch.zeros(2, 3), torch.zeros(5, 9))
    layers = {"unet": {"conv": file.layers["unet"]["conv"], "linear": broken}}
    with pytest.raises(RuntimeError):
        fused.wear(LoraSet(((LoraFile(sha256="x", layers=layers), 1.0),)))
    assert not same(snapshot(module), before)
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_weights_stay_where_they_are_in_memory(module):
    """Their alignment decides which kernels run, and with them the last bits."""
    place, fused = module.linear.weight.data_ptr(), FusedModule("unet", module)
    fused.wear(LoraSet(((file_for(module, "a", 0), 1.0),)))
    fused.wear(NO_LORA)
    assert module.linear.weight.data_ptr() == place
