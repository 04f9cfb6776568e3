"""What numpy may raise at a damaged npy or npz file: nearly everything, since it unpacks, parses and casts."""

import tokenize
import zipfile
import zlib

DAMAGE = (
    ValueError, LookupError, TypeError, AttributeError, EOFError, OSError, OverflowError, MemoryError, RuntimeError,
    SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
