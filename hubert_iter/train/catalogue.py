"""All that may be set of a study and of the files that it names, from where it is declared."""

from collections.abc import Iterator
from dataclasses import dataclass

from hubert_iter import options
from hubert_iter.models import objectives
from hubert_iter.models.settings import EncoderConfig
from hubert_iter.study import Row
from hubert_iter.train.config import TrainConfig


@dataclass(frozen=True)
class Group:
    """Options that are declared together."""

    title: str
    kind: type
    section: str = ""
    """Before their names in `set`; "" for the study's own keys."""


def groups() -> list[Group]:
    """All of them; an objective that is one module more is among them."""
    found = [
        Group("study: keys of conf/study/NAME.yaml", Row),
        Group("train: conf/train/NAME.yaml", TrainConfig, "train"),
        Group("model: conf/model/NAME.yaml", EncoderConfig, "model"),
    ]
    for name in objectives.names():
        title = f"objective {name}: conf/objective/NAME.yaml with base: {name}"
        found.append(Group(title, objectives.find(name, title), "objective"))
    return found


def table() -> Iterator[str]:
    """Lines for people: name, default and meaning of each option."""
    for group in groups():
        rows = list(options.describe(group.kind))
        wide, defaults = (max(len(row[column]) for row in rows) for column in (0, 1))
        yield group.title
        yield from (f"  {name:{wide}}  {default:{defaults}}  {text}" for name, default, text in rows)


def where(name: str, study: str) -> str:
    """A sentence on where an option belongs that was given to a recipe; "" if there is none of that name."""
    for group in groups():
        if name not in options.names(group.kind):
            continue
        if not group.section:
            once = f', or for one call --train_args "{name}=VALUE"' if name == "updates" else ""
            return f"--{name} belongs in the study ({study}: {name}:){once}"
        short = name if group.section == "train" else f"{group.section}.{name}"
        return (
            f"--{name} belongs in the study ({study}: set: {{{group.section}.{name}: VALUE}}) or in a file of "
            f'conf/{group.section} that it names, or for one call --train_args "{short}=VALUE"'
        )
    return ""
