"""What is recognised: phones of the alignments, characters, or subword units of the training text by sentencepiece.

A folder of tokens has `tokens.txt` (ESPnet's list), `unit.json`, for subword units `bpe.model`, and for each data set
its transcripts in `<set>/text`, as ESPnet reads them.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubert_iter.data import alignment, datadir
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError

PHONE, CHARACTER, SUBWORD = UNITS = ("phone", "char", "bpe")
TOKEN_TYPES = {PHONE: "word", CHARACTER: "char", SUBWORD: "bpe"}
"""Unit -> ESPnet's token type."""
BLANK, UNKNOWN, SPACE, END = "<blank>", "<unk>", "<space>", "<sos/eos>"
LIST, UNIT, MODEL, TEXT = "tokens.txt", "unit.json", "bpe.model", "text"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tokens:
    """A folder of tokens."""

    folder: Path
    unit: str

    @property
    def espnet(self) -> list[str]:
        """What says so to ESPnet."""
        options = ["--token_type", TOKEN_TYPES[self.unit], "--token_list", str(self.folder / LIST)]
        return [*options, "--bpemodel", str(self.folder / MODEL)] if self.unit == SUBWORD else options

    def text(self, name: str) -> dict[str, str]:
        """Transcripts of a data set by utterance."""
        return read_text(self.folder / name / TEXT)


def read(folder: str | Path) -> Tokens:
    """Open a folder of tokens."""
    path = Path(folder) / UNIT
    try:
        unit = json.loads(path.read_text())["unit"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: missing or damaged, so {folder} holds no tokens. Run asr_tokens (stage 1)") from None
    return Tokens(Path(folder), unit)


def write(folder: Path, unit: str, texts: Mapping[str, Mapping[str, str]], size: int) -> None:
    """Write a folder of tokens; `texts` has each data set's transcripts, the training set's first.

    `size` is the number of subword units.
    """
    for name, text in texts.items():
        (folder / name).mkdir()
        datadir.write_table(folder / name / TEXT, text)
    training = list(next(iter(texts.values())).values())
    if unit == SUBWORD:
        listed = _subwords(folder, training, size)
    elif unit == CHARACTER:
        listed = sorted({SPACE if letter == " " else letter for line in training for letter in line})
    else:
        listed = sorted({phone for line in training for phone in line.split()})
    (folder / LIST).write_text("".join(f"{token}\n" for token in (BLANK, UNKNOWN, *listed, END)), encoding="utf-8")
    (folder / UNIT).write_text(json.dumps({"unit": unit}) + "\n")
    log.info("%d %s tokens, %d training utterances", len(listed), unit, len(training))


def phones(data: datadir.DataDir, alignments: Path) -> dict[str, str]:
    """Phones of each utterance that has an alignment, apart by spaces; silence left out."""
    path = alignments / "phones.ctm"
    if not path.is_file():
        raise UserError(f"{path}: no such file. Phones come from alignments: run align_data (stage 1 of asr.sh), or "
                        'recognise words instead (asr.sh --asr_config "bpe=ctc_branchformer")')  # fmt: skip
    found = {utt: [segment.label for segment in line] for utt, line in alignment.read_ctm(path).items() if utt in data}
    return _some({utt: " ".join(line) for utt, line in sorted(found.items()) if line}, path)


def words(data: datadir.DataDir) -> dict[str, str]:
    """Transcripts of the data directory."""
    return _some({utt: " ".join(line.split()) for utt, line in data.text.items() if line.split()}, data.path / TEXT)


def _some(found: dict[str, str], path: Path) -> dict[str, str]:
    if not found:
        raise UserError(f"{path}: expected transcripts of utterances of the data directory, found none")
    return found


def _subwords(folder: Path, training: Iterable[str], size: int) -> list[str]:
    """Train sentencepiece's unigram model; its units, without its own <unk>, <s> and </s>."""
    import sentencepiece

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training), model_prefix=str(folder / MODEL.removesuffix(".model")), vocab_size=size,
            model_type="unigram", character_coverage=1.0, num_threads=1, minloglevel=2,
        )  # fmt: skip
    except RuntimeError as error:
        fault = str(error).rpartition("] ")[2].strip() or str(error)
        raise UserError(f"sentencepiece: {size} subword units of this training text: {fault} (--nbpe)") from None
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / MODEL))
    pieces = [model.id_to_piece(number) for number in range(model.get_piece_size())]
    return [piece for number, piece in enumerate(pieces) if not (model.is_unknown(number) or model.is_control(number))]


def read_text(path: Path) -> dict[str, str]:
    """Kaldi's text: utterance, then words; there may be none."""
    return {utt: words for utt, _, words in (line.partition(" ") for line in read_lines(path)) if utt}
