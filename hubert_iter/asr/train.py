"""A recogniser on a network's layers, trained by ESPnet's ASRTask from its usual YAML.

The training's own folder is ESPnet's (`checkpoint.pth`, `images`, `tensorboard`), so a training that was killed goes on
from its last epoch. It says what it was made for; one that was made for something else begins anew.
"""

import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubert_iter.asr import stored_layers, tokens
from hubert_iter.asr.frontend import NAME, layers_of, register, width_of
from hubert_iter.asr.weights import write_weights
from hubert_iter.config import write_yaml
from hubert_iter.data import datadir
from hubert_iter.data.recordings import is_command, split_offset
from hubert_iter.errors import UserError, summarise
from hubert_iter.feats.layers import open_model
from hubert_iter.frames import num_frames

MADE_FOR = "made_for.json"
CONFIG, MODEL = "config.yaml", "model.pth"
STORED = "layers"
"""Where a training keeps the layers."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recogniser:
    """What a recogniser is trained from."""

    model: str
    """A network, as pool_layers takes it."""
    values: Mapping
    """ESPnet's YAML."""
    tokens: tokens.Tokens
    data: datadir.DataDir
    valid_data: datadir.DataDir
    max_features_gb: float
    """Layers of a frozen network that take more are not kept on the disk during training."""
    gpu: bool = False

    @property
    def front_end(self) -> dict:
        """Settings of the front end."""
        return {**self.values.get("frontend_conf", {}), "model": self.model}

    def transcribed(self, data: datadir.DataDir) -> dict[datadir.Utterance, str]:
        """Utterances that have a transcript in tokens, with it."""
        text = self.tokens.text(data.path.name)
        found = {utterance: text[utterance.id] for utterance in data.utterances if utterance.id in text}
        if not found:
            raise UserError(f"{self.tokens.folder}: expected transcripts of {data.path}, found none. Run stage 1 again")
        return found


def train(job: Recogniser, made_for: Mapping, folder: Path, final: Path) -> None:
    """Train in `folder`, going on where it was left, and write the best recogniser into `final`."""
    from espnet2.tasks.asr import ASRTask

    wanted = json.dumps(made_for, sort_keys=True, default=str)
    note = folder / MADE_FOR
    if folder.exists() and not (note.is_file() and note.read_text() == wanted):
        log.info("%s was made from other settings or inputs: beginning anew", folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(wanted)
    values = {**job.values, "frontend": NAME, "frontend_conf": job.front_end}
    write_yaml(folder / "train.yaml", values)
    options = [*job.tokens.espnet, *_data_options(job, folder)]
    register()
    ASRTask.main(cmd=["--config", str(folder / "train.yaml"), "--output_dir", str(folder), "--resume", "true",
                      "--ngpu", str(int(job.gpu)), *options])  # fmt: skip
    _keep(folder, final, values)
    shutil.rmtree(folder / STORED, ignore_errors=True)


def _data_options(job: Recogniser, folder: Path) -> list[str]:
    """Write lists of what is trained on; the options that hand them to ESPnet."""
    sets = {kind: (data, job.transcribed(data)) for kind, data in (("train", job.data), ("valid", job.valid_data))}
    use_stored = _use_stored(job, [utterance for _, given in sets.values() for utterance in given])
    options = []
    for kind, (data, given) in sets.items():
        lists = folder / kind
        lists.mkdir(exist_ok=True)
        datadir.write_table(lists / "text", {utterance.id: words for utterance, words in given.items()})
        # In frames, whatever ESPnet is given: so batch_bins of a configuration means the same.
        datadir.write_table(lists / "shape", {each.id: str(num_frames(each.num_samples)) for each in given})
        if use_stored:
            scp = stored_layers.make(job.model, data, given, folder / STORED / kind, job.gpu)
            speech = f"{scp},speech,kaldi_ark"
        else:
            speech = f"{lists / 'wav.scp'},speech,{_write_audio(data.path, given, lists / 'wav.scp')}"
        options += [f"--{kind}_data_path_and_name_and_type", speech]
        options += [f"--{kind}_data_path_and_name_and_type", f"{lists / 'text'},text,text"]
        options += [f"--{kind}_shape_file", str(lists / "shape")]
    return options


def _use_stored(job: Recogniser, utterances: Iterable[datadir.Utterance]) -> bool:
    """True where the network is frozen and its layers fit into the space allowed."""
    if job.front_end.get("fine_tune"):
        return False
    network = open_model(job.model)
    size = stored_layers.gigabytes(len(layers_of(network.names)) * width_of(network), utterances)
    keep = size <= job.max_features_gb
    what = "kept on the disk during training" if keep else "above the limit, so computed anew in each epoch"
    log.info("layers of %s: %.1f GB, %s", job.model, size, what)
    return keep


def _write_audio(data: Path, utterances: Iterable[datadir.Utterance], path: Path) -> str:
    """Write a list of audio for ESPnet; its type of data, which is one for all of a list."""
    by_type: dict[str, list[str]] = defaultdict(list)
    listed = {}
    for utterance in utterances:
        by_type[_data_type(utterance)].append(utterance.id)
        listed[utterance.id] = utterance.wav
    if by_type.keys() not in ({"sound"}, {"kaldi_ark"}):
        found = "; ".join(f"{_KINDS[kind]}: {summarise(ids)}" for kind, ids in sorted(by_type.items()))
        raise UserError(
            f"{data}: ESPnet reads whole audio files, or an archive that stage 2 of ssl.sh has written, one kind for "
            f"all utterances; found {found}. Stage 2 writes into its archive what segments cuts and commands give, so "
            "a command for each file (cat FILE |) in wav.scp makes them alike. Layers of a network that is not "
            "fine-tuned can be stored instead, whatever the audio: a larger --max_features_gb"
        )
    datadir.write_table(path, listed)
    return next(iter(by_type))


_KINDS = {"sound": "files", "kaldi_ark": "in an archive", "": "segments, commands or archives of WAV"}


def _data_type(utterance: datadir.Utterance) -> str:
    """ESPnet's type of data that gives the utterance's samples in +-1; "" where there is none."""
    if utterance.start is not None or is_command(utterance.wav):
        return ""
    path, offset = split_offset(utterance.wav)
    if offset is None:
        return "sound"
    with open(path, "rb") as file:
        file.seek(offset)
        # Of Kaldi's own archives, of WAV, ESPnet gives whole numbers up to 32768 instead.
        return "kaldi_ark" if file.read(5) == b"AUDIO" else ""


def _keep(folder: Path, final: Path, values: Mapping) -> None:
    """The recogniser that ESPnet's criterion calls best, its configuration, and the layers' weights."""
    phase, metric = values["best_model_criterion"][0][:2]
    average = folder / f"{phase}.{metric}.ave.pth"
    best = average if average.is_file() else folder / f"{phase}.{metric}.best.pth"
    if not best.is_file():
        raise UserError(f"{best}: ESPnet's training has left no such file: best_model_criterion names {phase} "
                        f"{metric}, which it does not report")  # fmt: skip
    shutil.copyfile(best, final / MODEL)
    shutil.copyfile(folder / "config.yaml", final / CONFIG)
    write_weights(final, load(final).frontend.shares())


def load(folder: Path, device: str = "cpu"):
    """A recogniser, ESPnetASRModel in evaluation mode."""
    from espnet2.tasks.asr import ASRTask

    register()
    model, _ = ASRTask.build_model_from_file(str(folder / CONFIG), str(folder / MODEL), device)
    return model.eval()
