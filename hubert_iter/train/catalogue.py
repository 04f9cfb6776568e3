"""List all options of a study and of the files that it names, read from where they are declared."""

from collections.abc import Iterator
from dataclasses import dataclass

from hubert_iter import options
from hubert_iter.analysis import measures
from hubert_iter.analysis.sample import Limits
from hubert_iter.analysis.table import Splits
from hubert_iter.models import objectives
from hubert_iter.models.settings import EncoderConfig
from hubert_iter.refresh import Refresh
from hubert_iter.runs import Row
from hubert_iter.train.config import TrainConfig


@dataclass(frozen=True)
class Group:
    """Options that are declared together."""

    title: str
    kind: type
    section: str = ""
    """What stands before their names in `set`; "" for the study's own keys."""


def groups() -> list[Group]:
    """Options of studies, trainings, models and all objectives, which are found by their modules."""
    found = [
        *of_study(),
        Group("train: conf/train/NAME.yaml", TrainConfig, "train"),
        Group("model: conf/model/NAME.yaml", EncoderConfig, "model"),
    ]
    for name in objectives.names():
        title = f"objective {name}: conf/objective/NAME.yaml with base: {name}"
        found.append(Group(title, objectives.find(name, title), "objective"))
    return found


def of_study() -> list[Group]:
    """Those of the table itself."""
    return [Group("study: keys of conf/study/NAME.yaml", Row), Group("study: keys of refresh:", Refresh, "refresh")]


def of_analysis() -> list[Group]:
    """Options of a table of measures."""
    title = "analysis: conf/analysis/NAME.yaml"
    found = [Group(title, Splits), Group(f"{title}, segments:", Limits, "segments")]
    for name in measures.names():
        found.append(Group(f"{title}, measures: {name}:", measures.find(name, title).Settings, f"measures: {{{name}"))
    return [group for group in found if options.names(group.kind)]


def table() -> Iterator[str]:
    """Lines for people: name, default and meaning of each option."""
    for group in (*groups(), *of_analysis()):
        rows = list(options.describe(group.kind))
        wide, defaults = (max(len(row[column]) for row in rows) for column in (0, 1))
        yield group.title
        yield from (f"  {name:{wide}}  {default:{defaults}}  {text}" for name, default, text in rows)


def where(name: str, study: str) -> str:
    """Say where an option belongs that was wrongly given to a recipe; "" if no option has that name."""
    for group in groups():
        if name not in options.names(group.kind):
            continue
        if group in of_study():
            key = f"{group.section}: {{{name}: ...}}" if group.section else f"{name}:"
            once = f', or for one call --train_args "{name}=VALUE"' if name == "updates" else ""
            return f"--{name} belongs in the study ({study}: {key}){once}"
        short = name if group.section == "train" else f"{group.section}.{name}"
        return (
            f"--{name} belongs in the study ({study}: set: {{{group.section}.{name}: VALUE}}) or in a file of "
            f'conf/{group.section} that it names, or for one call --train_args "{short}=VALUE"'
        )
    for group in of_analysis():
        if name in options.names(group.kind):
            nested = f"{group.section}: {{{name}: VALUE}}" if group.section else f"{name}: VALUE"
            nested += "}" * (nested.count("{") - nested.count("}"))
            return f"--{name} belongs in the table of measures (conf/analysis/NAME.yaml: {nested}); --analysis NAME"
    return ""
