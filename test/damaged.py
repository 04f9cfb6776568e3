"""What may become of a file on a disk that fails, or by a program that was killed."""


def damages(content: bytes) -> dict[str, bytes]:
    """What may become of a file."""
    half = len(content) // 2
    return {
        "empty": b"", "cut": content[:half], "one byte less": content[:-1], "binary": b"\xff\xfe\x00\x93" * 16,
        "nulls": bytes(len(content)), "huge counts": content[:half] + b"\xff" * 16 + content[half + 16 :],
    }  # fmt: skip
