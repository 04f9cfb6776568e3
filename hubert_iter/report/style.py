"""How figures look: colours that colour-blind readers tell apart, readable fonts, files that reruns repeat exactly."""

import html
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from hubert_iter.feats.baselines import BASELINES

# Each colour has a twin of the same hue for dark pages; the page swaps them by CSS variables.
THEME = {
    "surface": ("#fcfcfb", "#1a1a19"),
    "ink": ("#1b1b1a", "#f2f1ec"),
    "muted": ("#65645f", "#b5b3aa"),
    "grid": ("#e3e2dd", "#3a3a37"),
    "none": ("#83827c", "#98968e"),
    "c1": ("#2a78d6", "#3987e5"),
    "c2": ("#eb6834", "#e8743f"),
    "c3": ("#1baf7a", "#1fa877"),
    "c4": ("#4a3aa7", "#9085e9"),
    "c5": ("#c98500", "#d99a1c"),
    "c6": ("#d55181", "#e0678f"),
    "c7": ("#008300", "#3f9f3f"),
    "c8": ("#e34948", "#e66767"),
}
INK, MUTED, GRID, SURFACE = (THEME[key][0] for key in ("ink", "muted", "grid", "surface"))
MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "p": "⬟"}
"""matplotlib's name -> what the legend of the page draws."""
DASHES = ((), (4, 1.5), (1.2, 1.2))

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same on all machines
    "text.parse_math": False,  # names of labels and runs are text, also with dollars in them
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.facecolor": SURFACE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "figure.facecolor": SURFACE,
    "savefig.facecolor": SURFACE,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "path.simplify": False,
}


@dataclass(frozen=True)
class RunStyle:
    """Colour (a key of THEME), marker and dashes of one run, the same in all figures."""

    colour: str
    marker: str
    glyph: str
    dashes: tuple
    alpha: float = 1.0
    """Below 1 for what has not learnt: it is shown, and no finding rests on it."""

    @property
    def hex(self) -> str:
        """The colour on a light surface."""
        return THEME[self.colour][0]


PALE = 0.35


def series(number: int) -> RunStyle:
    """The look of the first, second, ... of things that are told apart."""
    turn, place = divmod(number, len(MARKERS))
    marker, glyph = list(MARKERS.items())[place]
    return RunStyle(f"c{place + 1}", marker, glyph, DASHES[turn % len(DASHES)])


def line_styles(lines: Iterable[str], untrained: Container[str], idle: Container[str]) -> dict[str, RunStyle]:
    """Give each line its style by its place in the study.

    Untrained networks and baselines are grey, networks of `idle` pale.
    """
    styles, numbers = {}, count()
    for line in lines:
        if line in BASELINES:
            styles[line] = RunStyle("muted", "", "┄", DASHES[1 + list(BASELINES).index(line) % 2])
        elif line in untrained:
            styles[line] = RunStyle("none", "x", "✕", DASHES[1])
        else:
            styles[line] = replace(series(next(numbers)), alpha=PALE if line in idle else 1.0)
    return styles


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write name.png and name.svg without dates or random ids; return the SVG's text."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(SETTINGS | {"svg.hashsalt": name}):
        figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})
        figure.set_layout_engine("none")  # what stands where is found once, for both
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    return (folder / f"{name}.svg").read_text(encoding="utf-8")


def inline(svg: str, name: str, description: str) -> str:
    """Make an SVG fit to stand in a page: scalable, ids of its own, colours and font of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style type.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", svg)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", svg, count=1)
    for key, (light, _dark) in THEME.items():
        svg = svg.replace(light, f"var(--{key})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)
