"""Who is drawn next: pure decisions, no torch.

Half of the device goes to the generation that has the least left to do: what is nearly done, or short, is done soon.
The other half is shared out: every generation saves up work while others are drawn, and goes first once it has saved
the work of its next forward. So nothing starves, however many short ones keep coming, and no short one waits for a long
one's end.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

HOLD: Final = 4
"""Forwards in a row with one LoRA set before another may be put on: to change sets costs about as much as a forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A sample whose next forward can run.

    generation: its number in the order of admission. share: whom it is drawn for; generations of one `share` divide one
    share of the device. alike: offers of equal `alike` may run in one forward. loras: what the expert must wear, None
    if that doesn't matter. places: how many samples a forward of this kind holds. work: the row·pixels of the sample's
    forward. remaining: the row·pixels its generation still needs.
    """

    generation: int
    share: str
    sample: int
    alike: Hashable
    loras: Hashable | None
    places: int
    work: int
    remaining: int


class Policy(Protocol):
    """Picks the forwards one after another; may remember what it has picked."""

    def choose(self, offers: Sequence[Offer]) -> Sequence[Offer]:
        """Return the offers of the next forward: alike, at most `places`. `offers` has at least one of each generation.

        What is returned is taken to be run.
        """
        ...


class FairShare:
    """Shortest remaining work first with half of the device, equal shares with the other half.

    The bound: between two forwards of a generation, others get at most 2·s·w·h + n·h·m of work. w is the work of its
    own samples in a forward and m that of the largest forward; h is `hold`, or 1 where all wear the same; n is the most
    generations in flight meanwhile, and s the most that (shares) × (generations of its share) came to. For pictures of
    one size, of one share, a sample in a forward, that is 3·n·h forwards.

    The proof, step by step:

    1. Until it is owed. Savings are never below 0, and grow by at least W / 2s with each forward of work W. The price
       is w, or w·h to change what is worn, so before the last forward that was needed others had got at most 2·s·w·h,
       and after it at most 2·s·w·h + m. (Rounding may make savings that reach the price exactly fall short of it: then
       that last forward comes on top of exactly 2·s·w·h, and the sum is the same.)
    2. The hold it meets. That last forward may have changed the set: at most h - 1 more keep it, (h - 1)·m.
    3. Its place. Owed ones go in the order in which they had saved enough. Ahead are at most n - 1; whoever is drawn
       leaves, and can only come back behind. Each leads one forward, and where that changes the set, h - 1 more may
       follow it before the next of the order: (n - 1)·h·m. While anybody is owed nobody else begins a hold, and those
       who wear nothing (the refiner's) or what is worn already begin none.

    Together 2·s·w·h + m + (h - 1)·m + (n - 1)·h·m, which is the bound. Where all wear the same there are no holds.
    """

    def __init__(self, hold: int = HOLD) -> None:
        self._hold = hold
        self._saved: dict[int, float] = {}
        self._owed: dict[int, None] = {}  # in the order in which they had saved enough
        self._worn: Hashable | None = None
        self._held = 0

    def choose(self, offers: Sequence[Offer]) -> Sequence[Offer]:
        """See `Policy.choose`."""
        firsts = _first_of_each(offers)
        self._forget(firsts)
        for first in firsts.values():
            self._note_if_owed(first, offers)
        leader = self._leader(firsts)
        chosen = self._filled(leader, offers, firsts)
        self._account(chosen, firsts)
        self._wear(leader)
        return chosen

    def _leader(self, firsts: dict[int, Offer]) -> Offer:
        ordered = sorted(firsts.values(), key=self._precedence)
        if self._held and self._switches(ordered[0]):
            staying = [offer for offer in ordered if offer.loras == self._worn]
            return staying[0] if staying else ordered[0]
        return ordered[0]

    def _precedence(self, offer: Offer) -> tuple[int, int, int]:
        """Those that have saved enough come first, in that order; then the one with the least left."""
        if offer.generation in self._owed:
            return (0, list(self._owed).index(offer.generation), 0)
        return (1, offer.remaining, offer.generation)

    def _filled(self, leader: Offer, offers: Sequence[Offer], firsts: dict[int, Offer]) -> Sequence[Offer]:
        def order(offer: Offer) -> tuple[bool, tuple[int, int, int], int]:
            mine = offer.generation == leader.generation
            return (not mine, self._precedence(firsts[offer.generation]), offer.sample)

        return sorted((offer for offer in offers if offer.alike == leader.alike), key=order)[: leader.places]

    # ── savings ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _account(self, chosen: Sequence[Offer], firsts: dict[int, Offer]) -> None:
        """Every generation saves its part of half the work that is done; those that are drawn pay for theirs."""
        work = sum(offer.work for offer in chosen)
        shares = [offer.share for offer in firsts.values()]
        for number, offer in firsts.items():
            divisor = 2 * len(set(shares)) * shares.count(offer.share)
            paid = sum(each.work for each in chosen if each.generation == number)
            self._saved[number] = max(0.0, self._saved.get(number, 0.0) + work / divisor - paid)
            if paid:  # whoever has saved for another forward as well waits for it behind the others
                self._owed.pop(number, None)

    def _note_if_owed(self, first: Offer, offers: Sequence[Offer]) -> None:
        own = sum(offer.work for offer in offers if _together(offer, first))
        # to change what is worn takes savings for the whole hold
        price = min(own, first.places * first.work) * (self._hold if self._switches(first) else 1)
        if self._saved.get(first.generation, 0.0) >= price:
            self._owed.setdefault(first.generation)

    def _forget(self, firsts: dict[int, Offer]) -> None:
        for number in self._saved.keys() - firsts.keys():
            del self._saved[number]
            self._owed.pop(number, None)

    # ── what is worn ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _switches(self, offer: Offer) -> bool:
        return offer.loras is not None and self._worn is not None and offer.loras != self._worn

    def _wear(self, leader: Offer) -> None:
        if self._worn is None or self._switches(leader):
            self._worn, self._held = leader.loras, self._hold
        self._held = max(0, self._held - 1)


def _together(one: Offer, other: Offer) -> bool:
    return one.generation == other.generation and one.alike == other.alike


def _first_of_each(offers: Sequence[Offer]) -> dict[int, Offer]:
    firsts: dict[int, Offer] = {}
    for offer in sorted(offers, key=lambda each: (each.generation, each.sample)):
        firsts.setdefault(offer.generation, offer)
    return firsts
