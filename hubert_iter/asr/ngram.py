"""An n-gram model of tokens for beam search, as an ARPA file: interpolated Kneser-Ney (Chen and Goodman 1999).

One absolute discount for each order, n1 / (n1 + 2 n2) of its counts (Ney, Essen and Kneser 1994). Orders below the
highest count in how many contexts an n-gram occurs; those that begin a sentence count as often as they occur. ESPnet
ends a sentence by its own token, which stands for ARPA's </s>.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from hubert_iter.asr.tokens import END
from hubert_iter.errors import UserError

START, ARPA_END, UNKNOWN = "<s>", "</s>", "<unk>"
Gram = tuple[str, ...]
NEVER = -99.0
"""Log probability, to base 10, of what never follows anything."""


def train(sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str]) -> list[dict[Gram, tuple]]:
    """For each order: n-gram -> (log10 probability, log10 back-off weight)."""
    if order < 1:
        raise UserError(f"--ngram_order: expected 1 at least, found {order}")
    counts = _counts(sentences, order)
    if not counts[0]:
        raise UserError("n-gram model: expected sentences to train on, found none")
    words = sorted({*vocabulary, UNKNOWN, END})
    lower = {(): 1 / len(words)}  # of the empty history, all words alike
    tables: list[dict[Gram, tuple]] = []
    probabilities = dict.fromkeys(((word,) for word in words), 0.0)
    for length, counted in enumerate(counts, start=1):
        discount = _discount(counted)
        followers: dict[Gram, list[int]] = defaultdict(lambda: [0, 0])
        for gram, count in counted.items():
            followers[gram[:-1]][0] += count
            followers[gram[:-1]][1] += 1
        weights = {history: discount * kinds / total for history, (total, kinds) in followers.items()}
        found = {} if length > 1 else {(word,): weights[()] * lower[()] for word in words}
        for gram, count in counted.items():
            share = (count - discount) / followers[gram[:-1]][0]
            backed_off = lower[()] if length == 1 else probabilities[gram[1:]]
            found[gram] = share + weights[gram[:-1]] * backed_off
        if tables:
            tables[-1] = {gram: (log, _log(weights.get(gram, 1.0))) for gram, (log, _) in tables[-1].items()}
            for history in weights.keys() - tables[-1].keys():
                tables[-1][history] = (NEVER, _log(weights[history]))
        tables.append({gram: (_log(probability), 0.0) for gram, probability in found.items()})
        probabilities = found
    tables[0].setdefault((START,), (NEVER, 0.0))
    tables[0][(ARPA_END,)] = (NEVER, 0.0)
    return tables


def write_arpa(path: Path, tables: Sequence[dict[Gram, tuple]]) -> None:
    """Write an ARPA file, as kenlm reads it."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={len(table)}\n" for n, table in enumerate(tables, 1)))
        for length, table in enumerate(tables, 1):
            file.write(f"\n\\{length}-grams:\n")
            for gram in sorted(table):
                log, weight = table[gram]
                last = "" if length == len(tables) else f"\t{weight:.7f}"
                file.write(f"{log:.7f}\t{' '.join(gram)}{last}\n")
        file.write("\n\\end\\\n")


def _counts(sentences: Iterable[Sequence[str]], order: int) -> list[Counter]:
    """Counts of each order: occurrences of the highest, and of what begins a sentence; else different contexts."""
    seen = [Counter() for _ in range(order)]
    for sentence in sentences:
        words = (START, *sentence, END)
        for length in range(1, order + 1):
            seen[length - 1].update(words[at : at + length] for at in range(len(words) - length + 1))
    counts = [Counter() for _ in range(order)]
    counts[-1] = seen[-1]
    for length in range(order - 1, 0, -1):
        counts[length - 1].update(gram[1:] for gram in seen[length])
        counts[length - 1].update({gram: count for gram, count in seen[length - 1].items() if gram[0] == START})
    counts[0].pop((START,), None)
    return counts


def _discount(counted: Counter) -> float:
    once, twice = (sum(count == number for count in counted.values()) for number in (1, 2))
    return once / (once + 2 * twice) if once and twice else 0.5


def _log(probability: float) -> float:
    return math.log10(probability) if probability > 0 else NEVER
