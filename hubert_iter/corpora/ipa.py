"""From the IPA names that espeak-ng gives its phonemes to the 39 ARPABET phones of English recognisers.

A phoneme gets the label nearest to the sound that is made, not the one that a dictionary of American English would give
the word: a Scottish "face" vowel is `ey`, a British "bath" vowel with a long a is `aa`.
- Schwa, the vowel of "strut" and the reduced a (ə, ʌ, ɐ) are all `ah`; r-coloured ones are `er`.
- Centring diphthongs of accents without r (near, square, cure) take the label of the vowel they begin with.
- The tap and the glottal stop stand for t in espeak's rules, and are `t`.
- Where one phoneme is two phones (American "ar", the "le" of "table") it is divided in the middle: a time that the
  library does not give.
- Stress marks are dropped; so is the palatal glide that links two words (ʲ), whose time goes to the phone before it.
"""

from hubert_iter.errors import UserError, summarise

_SYMBOLS = """
aa: ɑː ɑ aː a: aa ɑə ɒ
ae: æ a
ah: ə ʌ ɐ
ao: ɔː ɔ o ɔə oə
aw: aʊ æʊ ʌʉ
ay: aɪ aɪə
b: b
ch: tʃ
d: d
dh: ð
eh: ɛ ɛː eə ɛə
er: ɜː ɜ ɚ ʌɹ əɹ
ey: eɪ eː e
f: f
g: ɡ
hh: h
ih: ɪ ᵻ iə
iy: iː i
jh: dʒ
k: k
l: l
m: m
n: n n̩
ng: ŋ
ow: oʊ əʊ oː
oy: ɔɪ
p: p
r: ɹ r
s: s
sh: ʃ
t: t ɾ ʔ
th: θ t̪
uh: ʊ ʊə
uw: uː u ʉː ʉ
v: v
w: w ʍ
y: j
z: z
zh: ʒ
aa r: ɑːɹ
ao r: ɔːɹ
eh r: ɛɹ
ih r: ɪɹ
uh r: ʊɹ
uw r: ʉɹ
ay er: aɪɚ
ah l: əl
"""


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {"ʲ": ()}
    for line in _SYMBOLS.strip().splitlines():
        phones, symbols = line.split(": ", maxsplit=1)
        table |= dict.fromkeys(symbols.split(), tuple(phones.split()))
    return table


TABLE = _table()
PHONES = tuple(sorted({phone for phones in TABLE.values() for phone in phones}))


def arpabet(symbol: str) -> tuple[str, ...]:
    """The phones of one espeak phoneme: one, two, or none (a linking glide). UserError for one that is not known."""
    bare = symbol.strip("ˈˌ")
    try:
        return TABLE[bare]
    except KeyError:
        raise UserError(
            f"espeak phoneme '{symbol}': not in the table of hubert_iter/corpora/ipa.py, which knows "
            f"{summarise(sorted(TABLE), 12)}. Add a line for it there, or leave out the accent that has it"
        ) from None
