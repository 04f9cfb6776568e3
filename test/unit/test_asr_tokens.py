"""Tokens of a recogniser, and the n-gram model of them."""

import itertools
import math
import random
import re

import pytest
from tiny import ROOT

from hubert_iter import config, provenance
from hubert_iter.asr import ngram, tokens
from hubert_iter.bin import asr_ngram, asr_tokens
from hubert_iter.data import datadir
from hubert_iter.errors import UserError

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "then",
    "rat",
    "ran",
    "to",
    "that",
    "hat",
    "where",
    "bat",
    "all",
    "night",
]


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 8))) for _ in range(count)]


@pytest.fixture
def sets(tmp_path):
    for seed, name in enumerate(("train", "eval")):
        lines = sentences(200 if name == "train" else 20, seed)
        names = [f"{name}-{number:03d}" for number in range(len(lines))]
        utterances = [datadir.Utterance(each, "s", 16000, f"{each}.flac") for each in names]
        datadir.write(tmp_path / name, utterances, dict(zip(names, lines, strict=True)))
        provenance.write(tmp_path / name, "test", {}, {})
    return tmp_path


def make(sets, unit: str, *options: str) -> tokens.Tokens:
    out = sets / unit
    data = [str(sets / "train"), str(sets / "eval")]
    asr_tokens.main(["--unit", unit, "--data", *data, "--out", str(out), *options])
    return tokens.read(out)


def listed(made: tokens.Tokens) -> list[str]:
    return (made.folder / "tokens.txt").read_text().splitlines()


def test_subword_units_spell_every_transcript(sets):
    import sentencepiece

    made = make(sets, "bpe", "--nbpe", "30")
    model = sentencepiece.SentencePieceProcessor(model_file=str(made.folder / "bpe.model"))
    known = set(listed(made))
    for line in made.text("eval").values():
        pieces = model.encode(line, out_type=str)
        assert known.issuperset(pieces)
        assert model.decode(pieces) == line
    assert listed(made)[0] == "<blank>"
    assert listed(made)[-1] == "<sos/eos>"
    assert len(listed(made)) == len(set(listed(made)))


def test_characters_have_a_token_for_the_space(sets):
    assert set(listed(make(sets, "char"))) == {*"".join(WORDS), "<space>", "<blank>", "<unk>", "<sos/eos>"}


def test_more_subword_units_than_the_text_has_is_a_users_error(sets):
    with pytest.raises(UserError, match="nbpe"):
        make(sets, "bpe", "--nbpe", "4000")
    assert not (sets / "bpe").exists()


def phones_ctm(sets, name: str, lines: dict[str, list[str]]) -> None:
    folder = sets / "alignments" / name
    folder.mkdir(parents=True)
    rows = (
        f"{utt} 1 {place / 10} 0.1 {phone}\n" for utt, phones in lines.items() for place, phone in enumerate(phones)
    )
    (folder / "phones.ctm").write_text("".join(rows))
    (folder / "words.ctm").write_text("")
    provenance.write(folder, "test", {}, {})


def test_phones_are_those_of_aligned_utterances_in_their_order(sets):
    phones_ctm(sets, "train", {"train-001": ["b", "a", "b"], "train-000": ["a"]})
    phones_ctm(sets, "eval", {"eval-003": ["a", "b"], "elsewhere": ["c"]})
    made = make(sets, "phone", "--alignments", str(sets / "alignments"))
    assert made.text("train") == {"train-000": "a", "train-001": "b a b"}
    assert made.text("eval") == {"eval-003": "a b"}
    assert listed(made) == ["<blank>", "<unk>", "a", "b", "<sos/eos>"]


def test_phones_without_any_alignment_of_the_set_are_refused(sets):
    phones_ctm(sets, "train", {"train-001": ["b"]})
    phones_ctm(sets, "eval", {})
    with pytest.raises(UserError, match="eval"):
        make(sets, "phone", "--alignments", str(sets / "alignments"))


def test_without_alignments_what_can_be_recognised_instead_is_advised(sets):
    with pytest.raises(UserError) as refused:
        tokens.phones(datadir.read(sets / "train"), sets / "nowhere")
    unit, _, recogniser = re.search(r'--asr_config "(.+)"', str(refused.value))[1].partition("=")
    assert unit in tokens.UNITS and unit != tokens.PHONE
    assert config.load("asr", recogniser, [ROOT / "conf"])["encoder"]


def probability(tables, history: tuple[str, ...], word: str) -> float:
    """As an ARPA file is read: the longest n-gram there is, each step back at its weight (Katz's form)."""
    history = history[-(len(tables) - 1) :] if len(tables) > 1 else ()
    log = 0.0
    while True:
        found = tables[len(history)].get((*history, word))
        if found:
            return 10 ** (log + found[0])
        log += tables[len(history) - 1].get(history, (0, 0.0))[1]
        history = history[1:]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_what_may_follow_sums_to_one(order):
    lines = [line.split() for line in sentences(100, 3)]
    tables = ngram.train(lines, order, WORDS)
    following = {*WORDS, "<unk>", "<sos/eos>"}
    histories = [("<s>",), ("<s>", "the"), ("the", "cat"), ("cat", "cat", "cat"), ("never", "seen"), ("that", "hat")]
    for history in histories:
        total = sum(probability(tables, history, word) for word in following)
        assert total == pytest.approx(1, abs=1e-9), history


def test_the_ngram_model_knows_its_text_better_than_a_shuffled_one():
    rng = random.Random(5)
    lines = [(["ab", "cd", "ef", "gh"] * 3)[start : start + 6] for start in rng.choices(range(4), k=100)]
    tables = ngram.train(lines, 3, ["ab", "cd", "ef", "gh"])
    assert probability(tables, ("ab", "cd"), "ef") > 0.7
    assert probability(tables, ("ab", "cd"), "ab") < 0.05


def test_kenlm_reads_the_arpa_file_as_it_was_meant(sets):
    kenlm = pytest.importorskip("kenlm")
    made = make(sets, "char")
    asr_ngram.main(["--tokens", str(made.folder), "--set", "train", "--order", "3", "--out", str(sets / "ngram")])
    model = kenlm.Model(str(sets / "ngram/ngram.arpa"))
    lines = [
        ["<space>" if letter == " " else letter for letter in line] for line in (*sentences(200, 0), "zap the cat", "")
    ]
    tables = ngram.train(lines[:200], 3, listed(made)[1:-1])
    for line in lines[200:] + lines[:5]:
        words = [*line, "<sos/eos>"]
        known = [word if (word,) in tables[0] else "<unk>" for word in words]
        ours = sum(math.log10(probability(tables, ("<s>", *known[:at]), word)) for at, word in enumerate(known))
        theirs = sum(score for score, _, _ in itertools.islice(model.full_scores(" ".join(words)), len(words)))
        assert theirs == pytest.approx(ours, abs=1e-3)
