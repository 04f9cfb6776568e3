"""Units: k-means of features, labels, and their quality."""

import logging

# faiss tells in four lines which variant of itself it loaded; keep the log for what concerns the recipe.
logging.getLogger("faiss.loader").setLevel(logging.WARNING)
