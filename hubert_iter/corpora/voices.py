"""The speakers of the synthetic corpus: an accent, a voice and a manner of speaking each."""

from dataclasses import dataclass

import numpy as np

from hubert_iter.errors import UserError

# espeak-ng's English accents whose words stay apart in its events and whose sounds ARPABET can name.
ACCENTS = {
    "us": "gmw/en-US",
    "gb": "gmw/en",
    "rp": "gmw/en-GB-x-rp",
    "scot": "gmw/en-GB-scotland",
    "lanc": "gmw/en-GB-x-gbclan",
    "carib": "gmw/en-029",
}
# Variants that sound like people. None with an echo, which would fill the silence that tells where stops begin. None
# with breath (victor): espeak-ng seeds its noise by the clock, so the corpus would differ from call to call.
_WOMEN = "Andrea Annie anika aunty belinda f1 grandma shelby steph steph2 steph3"
_MEN = (
    "Alex Andy Denis Diogo Gene Henrique Hugo Jacky Mario Mike antonio gustave m1 m3 m4 m5 m6 m7 m8 marcelo max "
    "michel miguel paul pedro quincy robert travis rob"
)
VARIANTS = {"f": tuple(_WOMEN.split()), "m": tuple(_MEN.split())}


@dataclass(frozen=True)
class Speaker:
    """One synthetic speaker."""

    id: str
    gender: str  # "f" or "m"
    voice: str  # espeak's name: accent+variant
    rate: float  # words a minute
    pitch: float  # 0 to 100, relative to the variant's own
    pitch_range: float  # 0 to 100
    level: float  # RMS in dB relative to full scale
    snr: float  # level over that of the background noise, dB
    noise_colour: float  # coefficient of the noise's one-pole low-pass filter, 0 for white


def draw_speakers(seed: int, number: int, num_eval: int) -> tuple[list[Speaker], list[Speaker]]:
    """Speakers for training and for evaluation, women and men by turns; no variant is in both.

    UserError when there are not so many voices.
    """
    if not 1 <= num_eval < number:
        raise UserError(f"expected at least one evaluation speaker and fewer than {number} speakers, found {num_eval}")
    random = np.random.default_rng([seed, 1])
    variants = {gender: [str(name) for name in random.permutation(names)] for gender, names in VARIANTS.items()}
    accents = [str(name) for name in random.permutation(list(ACCENTS))]
    kept = {"f": variants["f"][: (num_eval + 1) // 2], "m": variants["m"][: num_eval // 2]}
    rest = {gender: variants[gender][len(kept[gender]) :] for gender in variants}
    train = [(*_voice(rest, accents, n), n) for n in range(number - num_eval)]
    evaluation = [(*_voice(kept, accents, n), number - num_eval + n) for n in range(num_eval)]
    return [_speaker(random, *given) for given in train], [_speaker(random, *given) for given in evaluation]


def _voice(variants: dict[str, list[str]], accents: list[str], n: int) -> tuple[str, str, str]:
    gender = "fm"[n % 2]
    if not variants[gender]:
        raise UserError(f"no voice is left for training: give fewer than {2 * len(VARIANTS['f'])} evaluation speakers")
    # A variant comes again in another accent when all have been used.
    again, index = divmod(n // 2, len(variants[gender]))
    if again >= len(accents):
        most = 2 * len(accents) * min(len(names) for names in variants.values())
        raise UserError(f"expected at most {most} speakers in a set, found more. Give fewer, or fewer for evaluation")
    shift = 0 if gender == "f" else len(accents) // 2
    return gender, variants[gender][index], accents[(index + again + shift) % len(accents)]


def _speaker(random: np.random.Generator, gender: str, variant: str, accent: str, number: int) -> Speaker:
    return Speaker(
        id=f"s{number:03d}-{accent}-{variant.lower()}",
        gender=gender,
        voice=f"{ACCENTS[accent]}+{variant}",
        rate=random.uniform(145, 200),
        pitch=random.uniform(35, 65),
        pitch_range=random.uniform(35, 65),
        level=random.uniform(-30, -20),
        snr=random.uniform(30, 45),
        noise_colour=random.uniform(0, 0.9),
    )
