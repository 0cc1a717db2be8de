import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from pipelines.byte_cache import ByteCache
from pipelines.lora import NO_LORA, FusedModule, LoraSet, WornLora
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


def wearing(*worn: tuple[LoraFile, float]) -> LoraSet:
    return LoraSet(tuple(WornLora(file, weight, weight) for file, weight in worn))


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
    FusedModule("unet", module).wear(wearing((file, 0.5)))
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
        fused.wear(wearing((file_for(module, f"{round_}", round_), 0.7)))
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_a_set_is_worn_alike_whatever_was_worn_before(module):
    fused = FusedModule("unet", module)
    wanted = wearing((file_for(module, "a", 0), 0.5), (file_for(module, "b", 1), 0.25))
    fused.wear(wanted)
    first = snapshot(module)
    fused.wear(wearing((file_for(module, "c", 2), 3.0)))
    fused.wear(wanted)
    assert same(snapshot(module), first)


def test_half_precision_is_rounded_once_from_the_pristine_weight(module):
    module.half()
    before, fused = snapshot(module), FusedModule("unet", module)
    first, second = file_for(module, "a", 0), file_for(module, "b", 1)
    fused.wear(wearing((first, 0.5), (second, 0.25)))
    one, two = (file.layers["unet"]["linear"] for file in (first, second))
    exact = before["linear.weight"].float() + (one.up @ one.down) * 0.5 + (two.up @ two.down) * 0.25
    assert torch.equal(module.linear.weight, exact.half())
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_weights_stay_where_they_are_in_memory(module):
    """Their alignment decides which kernels run, and with them the last bits."""
    place, fused = module.linear.weight.data_ptr(), FusedModule("unet", module)
    fused.wear(wearing((file_for(module, "a", 0), 1.0)))
    fused.wear(NO_LORA)
    assert module.linear.weight.data_ptr() == place


class Faulty:
    """A layer that can't be computed: the device is full when it is this layer's turn."""

    def gain(self, pristine: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
        raise torch.OutOfMemoryError(f"no room for {pristine.shape}")


@pytest.mark.parametrize("faulty", ["conv", "linear"])
def test_a_failure_on_the_way_leaves_pristine_weights_behind(module, faulty):
    before, fused, file = snapshot(module), FusedModule("unet", module), file_for(module, "a", 0)
    fused.wear(wearing((file_for(module, "b", 1), 1.0)))
    layers = {"unet": {**file.layers["unet"], faulty: Faulty()}}
    with pytest.raises(torch.OutOfMemoryError):
        fused.wear(wearing((LoraFile(sha256="x", layers=layers), 1.0)))
    assert same(snapshot(module), before)
    fused.wear(wearing((file, 1.0)))
    first = snapshot(module)
    assert not same(first, before)
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)


def test_finished_weights_that_are_kept_are_those_that_were_computed(module):
    copies = ByteCache(10**6)
    kept, fresh = FusedModule("unet", module, copies), snapshot(module)
    sets = [wearing((file_for(module, f"{n}", n), 0.5)) for n in range(3)]
    first = []
    for each in sets:
        kept.wear(each)
        first.append(snapshot(module))
    assert len(copies) == 3
    for each, expected in zip(sets, first, strict=True):
        kept.wear(each)
        assert same(snapshot(module), expected)
        kept.wear(NO_LORA)
        assert same(snapshot(module), fresh)


def test_two_modules_share_one_cache_and_never_a_copy():
    torch.manual_seed(1)
    copies, modules = ByteCache(10**6), [Pair(), Pair()]
    fused = [FusedModule(name, one, copies) for name, one in zip(("unet", "text_encoder"), modules, strict=True)]
    file = file_for(modules[0], "a", 0)
    both = LoraFile(sha256="a", layers={"unet": file.layers["unet"], "text_encoder": file.layers["unet"]})
    worn = LoraSet((WornLora(both, 0.5, 0.25),))
    for one in fused:
        one.wear(worn)
        one.wear(NO_LORA)
        one.wear(worn)
    gain = file.layers["unet"]["linear"].gain(torch.zeros(5, 3))
    torch.manual_seed(1)
    plain = [Pair(), Pair()]
    for one, before, weight in zip(modules, plain, (0.5, 0.25), strict=True):
        torch.testing.assert_close(one.linear.weight, before.linear.weight + weight * gain)


def test_a_module_without_layers_in_a_set_isnt_touched(module):
    place, copies = module.linear.weight._version, ByteCache(10**6)
    fused, file = FusedModule("text_encoder", module, copies), file_for(module, "a", 0)
    fused.wear(wearing((file, 1.0)))
    assert module.linear.weight._version == place
    assert len(copies) == 0


def test_the_least_recently_worn_copies_go_first():
    cache = ByteCache[str](10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), cache.held_bytes) == ("A", None, "C", 8)
    cache.put("d", "D", 11)
    assert cache.get("d") is None
    assert len(cache) == 2
    cache.put("a", "A2", 1)
    assert cache.held_bytes == 5


# ── DoRA ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_dora_is_what_peft_makes_of_it():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 5, bias=False))
    weight = plain[0].weight.detach().clone()
    wrapped = get_peft_model(plain, LoraConfig(r=2, lora_alpha=3, target_modules=["0"], use_dora=True))
    layer = wrapped.base_model.model[0]
    nn.init.normal_(layer.lora_B["default"].weight)
    nn.init.uniform_(layer.lora_magnitude_vector["default"].weight, 0.5, 2.0)
    x = torch.randn(3, 6)
    expected = wrapped(x)
    ours = LoraLayer(
        layer.lora_A["default"].weight,
        layer.lora_B["default"].weight,
        scale=1.5,
        magnitude=layer.lora_magnitude_vector["default"].weight.reshape(5, 1),
    )
    torch.testing.assert_close(x @ (weight + ours.gain(weight)).T, expected)


@pytest.mark.parametrize("shape", [(5, 1), (1, 3)])
def test_dora_gives_rows_or_columns_the_length_it_says(shape):
    torch.manual_seed(0)
    weight, magnitude = torch.randn(5, 3), torch.rand(shape) + 0.5
    layer = LoraLayer(torch.randn(2, 3), torch.randn(5, 2), magnitude=magnitude)
    changed = weight + layer.gain(weight)
    torch.testing.assert_close(changed.norm(dim=shape.index(1), keepdim=True), magnitude)
    undone = LoraLayer(torch.zeros(2, 3), torch.zeros(5, 2), magnitude=weight.norm(dim=shape.index(1), keepdim=True))
    torch.testing.assert_close(undone.gain(weight), torch.zeros(5, 3))
    assert LoraLayer(torch.zeros(2, 3), torch.zeros(5, 2), magnitude=magnitude).gain(torch.zeros(5, 3)).isfinite().all()


# ── peft's sums ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "plain",
    [nn.Linear(48, 40, bias=False), nn.Conv2d(24, 48, 3, bias=False), nn.Conv2d(24, 48, 1, bias=False)],
    ids=["linear", "3×3", "1×1"],
)
def test_a_fused_weight_is_what_peft_merges_to_the_bit(plain: nn.Module):
    torch.manual_seed(0)
    weight = plain.weight.detach().clone()
    wrapped = get_peft_model(nn.Sequential(plain), LoraConfig(r=5, lora_alpha=3, target_modules=["0"]))
    layer = wrapped.base_model.model[0]
    nn.init.normal_(layer.lora_B["default"].weight)
    layer.scale_layer(0.7)
    layer.merge()
    ours = LoraLayer(layer.lora_A["default"].weight, layer.lora_B["default"].weight, scale=3 / 5)
    assert torch.equal(weight + ours.gain(weight, 0.7), layer.get_base_layer().weight)


def test_making_room_lets_go_of_nothing_that_is_needed(module):
    before, fused = snapshot(module), FusedModule("unet", module)
    one, other = file_for(module, "a", 0), file_for(module, "b", 1)
    fused.wear(wearing((one, 0.5)))
    dressed = snapshot(module)
    fused.make_room()
    assert same(snapshot(module), dressed)
    fused.wear(NO_LORA)
    fused.make_room()
    assert same(snapshot(module), before)
    fused.wear(wearing((other, 1.0)))
    fused.wear(NO_LORA)
    assert same(snapshot(module), before)
