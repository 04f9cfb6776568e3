"""The synthetic corpus: speech by espeak-ng in many voices, with the exact time of each phone and word.

Its speakers are easy to tell apart and its speech is far simpler than people's: it is there to try things out, and to
check tools against alignments that are known.
"""

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from hubert_iter.corpora import sentences
from hubert_iter.corpora.espeak import SAMPLE_RATE as ESPEAK_RATE
from hubert_iter.corpora.espeak import Speech, Synthesiser
from hubert_iter.corpora.ipa import arpabet
from hubert_iter.corpora.voices import Speaker, draw_speakers
from hubert_iter.data import datadir
from hubert_iter.data.alignment import Segment, write_ctm
from hubert_iter.errors import UserError
from hubert_iter.frames import SAMPLE_RATE, hours
from hubert_iter.options import option

SETS = ("train", "valid", "eval")
MIN_SECONDS, MAX_SECONDS = 2.0, 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Who says what. The same plan always gives the same bytes."""

    seed: int = option(0, "draws voices, sentences, pauses and noise", least=0)
    num_speakers: int = option(32, "speakers of train and eval together")
    eval_speakers: int = option(10, "how many of these are for eval")
    sentences_per_speaker: int = option(24, "sentences by each speaker of train", least=1)
    valid_utterances: int = option(40, "utterances of valid, by the speakers of train in turn", least=1)
    valid_lists: int = option(2, "lists of ten sentences kept for valid", least=1)
    eval_lists: int = option(2, "lists of ten sentences kept for eval, where every speaker says them all", least=1)

    def __post_init__(self):
        """Refuse what cannot be made."""
        if self.valid_lists + self.eval_lists >= len(sentences.LISTS):
            raise UserError(
                f"expected valid_lists + eval_lists below {len(sentences.LISTS)}, so that training has sentences, "
                f"found {self.valid_lists + self.eval_lists}"
            )


@dataclass(frozen=True)
class Spoken:
    """One utterance: samples in +-1 at 16 kHz, and what is said when."""

    id: str
    speaker: Speaker
    samples: np.ndarray
    text: str
    phones: list[Segment]
    words: list[Segment]


def split_sentences(plan: Plan) -> dict[str, list[str]]:
    """The sentences of each set; no sentence is in two sets."""
    order = np.random.default_rng([plan.seed, 2]).permutation(len(sentences.LISTS))
    lists = [sentences.LISTS[index] for index in order]
    kept = plan.valid_lists + plan.eval_lists
    parts = {"eval": lists[: plan.eval_lists], "valid": lists[plan.eval_lists : kept], "train": lists[kept:]}
    return {name: [sentence for group in part for sentence in group] for name, part in parts.items()}


def sentences_hash() -> str:
    """Identify the sentences in a provenance."""
    return hashlib.sha256(repr(sentences.LISTS).encode()).hexdigest()


def make(plan: Plan, name: str, work: Path, final: Path) -> None:
    """Write the set `name` (train, valid or eval) into `work`, with paths as they will be once it is called `final`."""
    import soundfile

    (work / "audio").mkdir()
    utterances, text, phones, words = [], {}, [], []
    genders = {}
    for spoken in speak_set(plan, name):
        # Through memory: libsndfile reports a full disk as "System error".
        encoded = io.BytesIO()
        soundfile.write(encoded, spoken.samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        (work / "audio" / f"{spoken.id}.flac").write_bytes(encoded.getvalue())
        wav = str(final.absolute() / "audio" / f"{spoken.id}.flac")
        utterances.append(datadir.Utterance(spoken.id, spoken.speaker.id, len(spoken.samples), wav))
        text[spoken.id] = spoken.text
        genders[spoken.speaker.id] = spoken.speaker.gender
        phones += spoken.phones
        words += spoken.words
    datadir.write(work, utterances, text, genders)
    write_ctm(work / "phones.ctm", phones)
    write_ctm(work / "words.ctm", words)
    minutes = 60 * hours(sum(utterance.num_samples for utterance in utterances))
    log.info("%s: %d utterances, %.1f minutes, %d speakers", name, len(utterances), minutes, len(genders))


def speak_set(plan: Plan, name: str) -> Iterator[Spoken]:
    """The utterances of a set, speaker by speaker."""
    train, evaluation = draw_speakers(plan.seed, plan.num_speakers, plan.eval_speakers)
    text = split_sentences(plan)[name]
    for number, speaker in enumerate(evaluation if name == "eval" else train):
        # Separate generator for each speaker: a longer plan must begin with the same utterances.
        random = np.random.default_rng([plan.seed, 3, SETS.index(name), number])
        if name == "valid":
            count = len(range(number, plan.valid_utterances, len(train)))
            yield from islice(speak(speaker, _in_random_order(text, random), random, name), count)
        else:
            count = plan.sentences_per_speaker if name == "train" else len(text)
            yield from speak(speaker, islice(_in_random_order(text, random), count), random, name)


def speak(speaker: Speaker, text: Iterator[str], random: np.random.Generator, name: str) -> Iterator[Spoken]:
    """Utterances of one to three sentences, 2 to 10 s long; the set's name in their ids keeps them apart."""
    parts: list[Speech] = []
    seconds, wanted, number = 0.0, random.uniform(3, 9), 0
    with Synthesiser() as synthesiser:
        for sentence in text:
            speech = _say(synthesiser, speaker, sentence, random)
            if speech is None:
                continue
            length = len(speech.samples) / ESPEAK_RATE + 0.4
            if parts and (seconds >= wanted or seconds + length > MAX_SECONDS - 0.5):
                yield _utterance(speaker, f"{name}-{number:04d}", parts, random)
                parts, seconds, wanted, number = [], 0.0, random.uniform(3, 9), number + 1
            parts.append(speech)
            seconds += length
        if parts:
            yield _utterance(speaker, f"{name}-{number:04d}", parts, random)


def _in_random_order(items: Sequence[str], random: np.random.Generator) -> Iterator[str]:
    """All items in random order, then again in another, without end."""
    while True:
        for index in random.permutation(len(items)):
            yield items[index]


def _say(synthesiser: Synthesiser, speaker: Speaker, sentence: str, random: np.random.Generator) -> Speech | None:
    """One sentence without the silence around it, at a rate and pitch that differ a little each time."""
    rate = round(speaker.rate * random.uniform(0.92, 1.08))
    pitch = round(speaker.pitch + random.uniform(-5, 5))
    synthesiser.set_voice(speaker.voice, rate, pitch, round(speaker.pitch_range))
    speech = synthesiser.speak(sentence)
    if speech is None:
        log.warning("%s: '%s' is left out: %s runs words together in it", speaker.id, sentence, speaker.voice)
        return None
    return Speech(speech.samples[: speech.phonemes[-1].end], speech.phonemes, speech.words)


def _utterance(speaker: Speaker, number: str, parts: list[Speech], random: np.random.Generator) -> Spoken:
    """Join sentences with pauses, bring them to 16 kHz, to the speaker's level and background noise."""
    utterance = f"{speaker.id}-{number}"
    pauses = _pauses(parts, random)
    sound: list[np.ndarray] = []
    phones: list[Segment] = []
    words: list[Segment] = []
    position = 0
    for pause, speech in zip(pauses, parts, strict=False):
        sound += [np.zeros(pause), speech.samples.astype(np.float64) / 32768]
        position += pause
        for span in speech.phonemes:
            phones += _segments(utterance, position + span.start, position + span.end, arpabet(span.label), phones)
        words += [_segment(utterance, position + span.start, position + span.end, span.label) for span in speech.words]
        position += len(speech.samples)
    sound.append(np.zeros(pauses[-1]))
    samples = _finish(np.concatenate(sound), speaker, random)
    return Spoken(utterance, speaker, samples, " ".join(word.label for word in words), phones, words)


def _pauses(parts: list[Speech], random: np.random.Generator) -> list[int]:
    """Samples of silence before each sentence and after the last, so that the whole is long enough."""
    between = random.uniform(0.12, 0.35, len(parts) - 1)
    before, after = random.uniform(0.05, 0.2, 2)
    speech = sum(len(part.samples) for part in parts) / ESPEAK_RATE
    after = max(after, MIN_SECONDS + 0.01 - speech - before - between.sum())
    return [round(seconds * ESPEAK_RATE) for seconds in (before, *between, after)]


def _segment(utterance: str, start: int, end: int, label: str) -> Segment:
    return Segment(utterance, start / ESPEAK_RATE, end / ESPEAK_RATE, label)


def _segments(utterance: str, start: int, end: int, phones: tuple[str, ...], previous: list[Segment]) -> list[Segment]:
    """A phoneme's phones, sharing its time; a linking glide, which is no phone, lengthens the one before."""
    if not phones:
        if previous and previous[-1].end == start / ESPEAK_RATE:
            last = previous.pop()
            previous.append(Segment(utterance, last.start, end / ESPEAK_RATE, last.label))
        return []
    edges = np.linspace(start, end, len(phones) + 1)
    return [_segment(utterance, edges[n], edges[n + 1], phone) for n, phone in enumerate(phones)]


def _finish(sound: np.ndarray, speaker: Speaker, random: np.random.Generator) -> np.ndarray:
    """Resample (linear phase: times stay), add the speaker's noise at the speaker's level, clip to 16-bit range."""
    from scipy.signal import lfilter, resample_poly

    sound = resample_poly(sound, 320, 441)
    level = 10 ** ((speaker.level + random.uniform(-1.5, 1.5)) / 20)
    sound *= level / np.sqrt(np.mean(sound[sound != 0] ** 2))
    noise = lfilter([1.0], [1.0, -speaker.noise_colour], random.standard_normal(len(sound)))
    noise *= level * 10 ** (-speaker.snr / 20) / noise.std()
    return np.clip(sound + noise, -1, 32767 / 32768).astype(np.float32)
