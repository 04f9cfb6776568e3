"""What a recogniser hears: the best token of each frame by CTC, or ESPnet's beam search."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hubert_iter.asr import train
from hubert_iter.asr.frontend import register
from hubert_iter.config import read_yaml
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

BLANK = 0


@dataclass(frozen=True)
class Search:
    """How to search: `beam` 0 is greedy, by CTC alone."""

    beam: int = 0
    ctc_weight: float = 1.0
    """CTC's share of the score, beside the attention decoder's."""
    ngram: Path | None = None
    ngram_weight: float = 0.0


def decode(folder: Path, utterances: Iterable[Utterance], search: Search, gpu: bool) -> Iterator[tuple[str, str]]:
    """Yield (utterance, words) by the recogniser in `folder`."""
    device = "cuda" if gpu else "cpu"
    hear = _beam(folder, search, device) if search.beam else _greedy(folder, device)
    for utterance in utterances:
        yield utterance.id, hear(torch.from_numpy(read_audio(utterance)))


@torch.inference_mode()
def best_path(logits: torch.Tensor) -> list[int]:
    """[T, V] -> tokens: repeated ones once, blanks left out."""
    return [token for token in logits.argmax(-1).unique_consecutive().tolist() if token != BLANK]


def _greedy(folder: Path, device: str):
    from espnet2.text.build_tokenizer import build_tokenizer

    model = train.load(folder, device)
    config = read_yaml(folder / train.CONFIG)
    tokenizer = build_tokenizer(config["token_type"], bpemodel=config["bpemodel"])
    if model.ctc is None or model.ctc_weight == 0:
        raise UserError(f"{folder}: greedy decoding is by CTC, which this recogniser was trained without. Use a beam")

    @torch.inference_mode()
    def hear(samples: torch.Tensor) -> str:
        encoded, _ = model.encode(samples[None].to(device), torch.tensor([len(samples)]).to(device))
        return tokenizer.tokens2text([model.token_list[token] for token in best_path(model.ctc.ctc_lo(encoded[0]))])

    return hear


def _beam(folder: Path, search: Search, device: str):
    from espnet2.bin.asr_inference import Speech2Text

    register()
    recognise = Speech2Text(
        asr_train_config=str(folder / train.CONFIG), asr_model_file=str(folder / train.MODEL), device=device,
        beam_size=search.beam, ctc_weight=search.ctc_weight, lm_weight=0.0, maxlenratio=0.0,
        ngram_file=None if search.ngram is None else str(search.ngram), ngram_weight=search.ngram_weight,
    )  # fmt: skip
    if recognise.asr_model.decoder is None and search.ctc_weight != 1:
        raise UserError(f"{folder}: a recogniser without attention decoder: expected --ctc_weight 1, found "
                        f"{search.ctc_weight}")  # fmt: skip
    return lambda samples: recognise(samples)[0][0] or ""
