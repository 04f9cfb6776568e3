"""Words that are the same in every report: how to read its sections, and what typical faults look like."""

TRAINING = (
    "Solid lines with marks: held-out utterances. Thin lines: training. Dashed lines: the best of four guesses "
    "that need no network but see the unmasked labels, among the same candidates as the run: the most frequent "
    "label, the utterance's most frequent one, a copy of the nearest unmasked one, and that copy only from up "
    "to 3 frames away. A run that is not above it by the margin (the 95 % interval over held-out utterances, at "
    "least a twentieth) has not learnt to use context, however far it is above chance. Dotted lines: chance, that is "
    "the share of the most frequent label where all classes are named, and one over the distinct candidates where a "
    "frame is told from others. Accuracies of objectives that differ in this cannot be compared with each other, nor "
    "can losses, nor losses of other numbers of labels.",
)
NETWORKS = (
    "Networks of one condition differ in the seed alone. Their deviation, pooled over the trained conditions, says "
    "how many networks of each of two conditions are wanted to find a difference of a given size in four of five "
    "studies, at 5 % false findings (two-sided t, the evaluation's own error left aside). Networks that have not "
    "learnt to use context count here: they may differ otherwise than trained longer.",
)
LABELS = (
    "Phone purity: accuracy when each cluster is read as its most frequent phone. Cluster purity: the same with "
    "the roles exchanged. PNMI: the share of the phone's entropy that the label removes. Frames without a phone "
    "are left out, or where it says so counted as one phone more, silence, as published tables seem to do. Share "
    "of the speaker's entropy: the same of who speaks, over all frames; labels had better say little of it.",
)
PHONES = (
    "Each cluster stands for the phone that most of its frames belong to. A phone at 0 has no cluster of its own: "
    "its frames have merged into other phones' clusters. Marks of one phone show what changes between label sets.",
)
PROVENANCE = ("Each folder with the command that made it and a hash of its contents: equal hash, equal folder.",)

READING = (
    (
        "What the layers are",
        "Layer 0 is the Transformer's input, conv the convolutions' output before it. A network with log-mel frames in "
        "place of convolutions has these as conv, so its first taps are not to be compared with another's. All runs "
        "are scored on the same segments, by maps that were not fitted on them.",
    ),
    (
        "Between the lines of control",
        "A network that knew the property perfectly would reach the ceiling (K-1)/K of K classes; layers narrower than "
        "K-1 have a lower one. A ceiling more than twice as high as all curves is named, not drawn. Shuffled labels "
        "show what no knowledge scores, the random network what its architecture and the audio give without training.",
    ),
    (
        "What a sentence rests on",
        "Networks that differ in the seed alone differ. Where a sentence names several networks of each condition, its "
        "interval covers networks, segments, splits and evaluation speakers, and it is about the conditions. With one "
        "network of each it is about these two networks, and says nothing of others trained alike.",
    ),
    (
        "Phone or word CCA drops in the last layers",
        "The usual sign of a first iteration, or of targets learnt online: the last layers specialise in the targets. "
        "From the second iteration on it should stay or rise.",
    ),
    (
        "High speaker CCA in the last layer",
        "Too few iterations: the labels still hold who speaks. It should fall from iteration to iteration.",
    ),
    (
        "No gain over iterations",
        "Poor labels. Compare PNMI and phone purity of the later labels with the MFCC labels'; try another layer as "
        "teacher, more updates for the teacher, or another number of clusters.",
    ),
)
