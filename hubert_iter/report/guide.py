"""How to read a report: what the scores mean and what typical faults look like."""

READING = (
    (
        "What PWCCA says",
        "How much of a property (which phone, word or speaker a segment is) a linear map finds in a layer, on segments "
        "that the map was not fitted on. Layer 0 is the Transformer's input, conv the convolutions' output before it.",
    ),
    (
        "Between the lines of control",
        "A network that knew the property perfectly would reach the ceiling (K-1)/K of K classes; layers narrower than "
        "K-1 have a lower one. A ceiling more than twice as high as all curves is named, not drawn. Shuffled labels "
        "show what no knowledge scores, the random network what its architecture and the audio give without training.",
    ),
    (
        "Compare along a line and between lines, not between properties",
        "Levels of phone, word and speaker depend on how many segments and classes there are. All runs are scored "
        "on the same segments.",
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
    (
        "Masked accuracy near the best guess without a network",
        "A run that does no better than copying neighbouring labels has not learnt to use context, and its layers say "
        "nothing about its objective, however far it is above chance. Give it more updates before comparing.",
    ),
    (
        "Losses of different objectives or numbers of labels",
        "They are not comparable: each counts another number of alternatives. Compare accuracy with its chance level.",
    ),
)
