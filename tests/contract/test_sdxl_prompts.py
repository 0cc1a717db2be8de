"""Prompts as the engine encodes them, against diffusers' `encode_prompt` and against chunks put together by hand."""

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from pipelines.embedding_cache import EmbeddingCache
from pipelines.encoding import Conditioning, PromptEncoder
from pipelines.lora import NO_LORA
from tests.random_sdxl import WORDS
from tests.sdxl import Darkroom, Miniature, miniature_fixture, request_for  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SEVENTY_FIVE = " ".join(WORDS[:75])
LONG = " ".join(WORDS[:160])  # 75 + 75 + 10: every word is a token, and there is no comma


@pytest.fixture(scope="module")
def darkroom(miniature: Miniature) -> Darkroom:
    return Darkroom(miniature)


@pytest.fixture(scope="module")
def pipes(miniature: Miniature) -> tuple[StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline]:
    options = {"local_files_only": True, "use_safetensors": True, "add_watermarker": False}
    loaded = (
        StableDiffusionXLPipeline.from_pretrained(miniature.base, **options),
        StableDiffusionXLImg2ImgPipeline.from_pretrained(miniature.refiner, **options),
    )
    for pipe in loaded:
        pipe.set_progress_bar_config(disable=True)
    return loaded


def encode(
    darkroom: Darkroom, prompt: str, negative: str = "", *, refiner: bool = False, guided: bool = True, loras=()
):
    studio = darkroom.engine._studio
    assert studio is not None
    encoder = studio.refiner_prompts if refiner else studio.base_prompts
    with torch.no_grad():
        return encoder.encode(prompt, negative, loras=studio.read_loras(loras), width=64, height=64, guided=guided)


def same(one: Conditioning, other: Conditioning) -> bool:
    return torch.equal(one.prompt_embeds, other.prompt_embeds) and torch.equal(one.text_embeds, other.text_embeds)


# ── the reference: one chunk at a time, as plainly as it can be said ─────────────────────────────────────────────────
def by_hand(pipe, chunks: list[str], weights: dict[str, float] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode chunks whose every word is a token; `weights` are those of words."""
    rows, first_pooled = [], None
    stages = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
    for text in chunks:
        states = []
        for tokenizer, encoder in stages:
            if encoder is None:
                continue
            ids = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
            assert ids.shape == (1, 77), "the chunk must fit"
            with torch.no_grad():
                output = encoder(ids, output_hidden_states=True)
            state = output.hidden_states[-2]
            if weights:
                before = state.mean()
                state = state.clone()
                for place, word in enumerate(text.split()):
                    state[0, place + 1] *= weights.get(word, 1.0)
                state *= before / state.mean()
            states.append(state)
        first_pooled = output[0] if first_pooled is None else first_pooled
        rows.append(torch.cat(states, dim=-1))
    assert first_pooled is not None
    return torch.cat(rows, dim=1), first_pooled


def chunks_of(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + 75]) for start in range(0, len(words), 75)]


# ── plain prompts ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refiner"])
@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a photo of a cat in the snow", "blurry"),
        ("a photo of a cat in the snow", ""),
        ("", ""),
        (SEVENTY_FIVE, SEVENTY_FIVE),
        ("Zürich, 東京 🎨; wow!! it's 12:30, <|endoftext|> {a|b} C:\\paths", "16:9, no: text"),
        ("  blanks\n\tand, commas ,, ", " "),
    ],
)
def test_plain_prompts_are_diffusers_to_the_bit(darkroom, pipes, prompt, negative, refiner):
    pipe = pipes[refiner]
    with torch.no_grad():
        embeds, negative_embeds, pooled, negative_pooled = pipe.encode_prompt(prompt, negative_prompt=negative)
    encoded = encode(darkroom, prompt, negative, refiner=refiner)

    assert torch.equal(encoded.prompt_embeds, torch.cat([negative_embeds, embeds]))
    assert torch.equal(encoded.text_embeds, torch.cat([negative_pooled, pooled]))


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("(a cat:1.0)", "a cat"),
        ("a (red:1) cat", "a red cat"),
        ("([a]) cat", "a cat"),
        (r"a \(small\) cat", "a (small) cat"),
        ("(re:1)(d:1.0) cat", "red cat"),
    ],
)
def test_weight_one_is_no_weight(darkroom, pipes, written, plain):
    with torch.no_grad():
        embeds, _, pooled, _ = pipes[0].encode_prompt(plain, do_classifier_free_guidance=False)
    encoded = encode(darkroom, written, guided=False)

    assert torch.equal(encoded.prompt_embeds, embeds)
    assert torch.equal(encoded.text_embeds, pooled)


# ── long prompts ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refiner"])
@pytest.mark.parametrize(
    ("prompt", "negative"), [(LONG, "blurry"), ("a cat", LONG), (LONG, LONG[:300]), (LONG, "")], ids=range(4)
)
def test_long_prompts_are_chunks_and_the_shorter_is_filled_up(darkroom, pipes, prompt, negative, refiner):
    both = [chunks_of(negative) or [""], chunks_of(prompt)]
    most = max(map(len, both))
    rows = [by_hand(pipes[refiner], chunks + [""] * (most - len(chunks))) for chunks in both]
    encoded = encode(darkroom, prompt, negative, refiner=refiner)

    assert encoded.prompt_embeds.shape[1] == 77 * most == 231
    assert torch.equal(encoded.prompt_embeds, torch.cat([hidden for hidden, _ in rows]))
    assert torch.equal(encoded.text_embeds, torch.cat([pooled for _, pooled in rows]))


def test_without_guidance_the_negative_prompt_takes_no_room(darkroom, pipes):
    encoded = encode(darkroom, "a cat", LONG, guided=False)

    assert torch.equal(encoded.prompt_embeds, by_hand(pipes[0], ["a cat"])[0])


def test_a_break_begins_a_chunk(darkroom, pipes):
    hidden, pooled = by_hand(pipes[0], ["a red cat", "snow"])
    encoded = encode(darkroom, "a red cat BREAK snow", guided=False)

    assert torch.equal(encoded.prompt_embeds, hidden)
    assert torch.equal(encoded.text_embeds, pooled)


@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refined"])
@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_long_prompts_draw_what_diffusers_draws_of_these_embeddings(darkroom, pipes, refiner, guidance):
    request = request_for(prompt=LONG, negative_prompt="blurry", use_refiner=refiner, guidance_scale=guidance)
    generator = torch.Generator("cpu").manual_seed(request.seed)

    def embeddings(pipe) -> dict[str, torch.Tensor]:
        hidden, pooled = by_hand(pipe, chunks_of(LONG))
        negative, negative_pooled = by_hand(pipe, ["blurry", "", ""])
        return {
            "prompt_embeds": hidden,
            "pooled_prompt_embeds": pooled,
            "negative_prompt_embeds": negative,
            "negative_pooled_prompt_embeds": negative_pooled,
            "guidance_scale": guidance,
            "generator": generator,
            "output_type": "latent",
        }

    base, refining = pipes
    end = request.high_noise_frac if refiner else None
    latents = base(**embeddings(base), width=64, height=64, num_inference_steps=6, denoising_end=end).images
    if refiner:
        latents = refining(**embeddings(refining), image=latents, num_inference_steps=6, denoising_start=end).images

    assert torch.equal(darkroom.final_latents(request), latents)


# ── emphasis ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refiner"])
def test_weights_multiply_and_the_mean_is_restored(darkroom, pipes, refiner):
    hidden, pooled = by_hand(pipes[refiner], ["a red cat snow"], {"red": 1.1, "cat": 0.9})
    encoded = encode(darkroom, "a (red) (cat:0.9) snow", refiner=refiner, guided=False)

    assert torch.allclose(encoded.prompt_embeds, hidden, rtol=1e-5, atol=1e-6)
    assert torch.equal(encoded.text_embeds, pooled)
    assert not torch.allclose(encoded.prompt_embeds, by_hand(pipes[refiner], ["a red cat snow"])[0], atol=1e-2)


def test_weights_reach_across_chunks_and_leave_others_to_the_bit(darkroom, pipes):
    plain, weighted = encode(darkroom, LONG, guided=False), encode(darkroom, f"({LONG}:1.3)", guided=False)
    mixed = encode(darkroom, f"{SEVENTY_FIVE} BREAK (snow:1.3)", guided=False)

    for start in (0, 77, 154):
        chunk = slice(start, start + 77)
        assert not torch.equal(plain.prompt_embeds[:, chunk], weighted.prompt_embeds[:, chunk])
    assert torch.equal(mixed.prompt_embeds[:, :77], by_hand(pipes[0], [SEVENTY_FIVE])[0])


def test_the_negative_prompt_has_the_same_grammar(darkroom):
    negative = encode(darkroom, "a cat", "(blurry:1.4) dog BREAK [night]").prompt_embeds[:1]
    positive = encode(darkroom, "(blurry:1.4) dog BREAK [night]", guided=False).prompt_embeds

    assert torch.equal(negative, positive)


@pytest.mark.parametrize("weight", [0, 0.01, 10])
def test_extreme_weights_stay_finite(darkroom, weight):
    prompts = [f"({LONG}:{weight})", f"a (cat:{weight})", f"(cat:{weight})" * 30]

    assert all(encode(darkroom, prompt).prompt_embeds.isfinite().all() for prompt in prompts)


# ── the cache ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_remembered_is_what_would_be_made(darkroom, miniature):
    """In any order, each answer is that of an engine that has encoded nothing before."""
    asked = [
        {"prompt": prompt, "refiner": refiner, "loras": loras, "guided": guided}
        for prompt in ("a cat", "a (cat:1.2)", LONG)
        for refiner, loras in (
            (False, ()),
            (True, ()),
            (False, (miniature.lora_use(1.0),)),
            (False, (miniature.lora_use(0.5),)),
        )
        for guided in (True, False)
    ]
    first = [encode(darkroom, negative="blurry", **each) for each in asked]
    again = [encode(darkroom, negative="blurry", **each) for each in reversed(asked)][::-1]
    studio = darkroom.engine._studio
    assert studio is not None
    for number, each in enumerate(asked):
        studio.embeddings.clear()
        fresh = encode(darkroom, negative="blurry", **each)
        assert same(first[number], fresh)
        assert same(again[number], fresh)
    unlike = [one.prompt_embeds for one in first[::2]]
    assert not any(
        one.shape == other.shape and torch.equal(one, other)
        for place, one in enumerate(unlike)
        for other in unlike[place + 1 :]
    )


def test_a_prompt_is_encoded_once(darkroom):
    studio = darkroom.engine._studio
    assert studio is not None
    dressed: list[object] = []
    encoder = PromptEncoder("base", studio.base, dressed.append, EmbeddingCache())
    for _ in range(3):
        with torch.no_grad():
            encoder.encode("a cat", "blurry", loras=NO_LORA, width=64, height=64, guided=True)

    assert len(dressed) == 2


def test_pictures_do_not_depend_on_what_is_remembered(darkroom, miniature):
    request = request_for(prompt=f"(a red cat:1.2) {LONG}", loras=(miniature.lora_use(0.7),))
    first = darkroom.final_latents(request)
    darkroom.final_latents(request_for(prompt=request.prompt))

    assert torch.equal(darkroom.final_latents(request), first)
    assert torch.equal(Darkroom(miniature).final_latents(request), first)
