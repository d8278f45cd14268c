"""A vocabulary small enough for a test, in the place of ``cl100k_base``."""

import tiktoken

#: One token for each byte, and one beside them as the real vocabulary has.
END = 300


def tiny() -> tiktoken.Encoding:
    """tiktoken's own machinery around 257 tokens."""
    return tiktoken.Encoding(
        "cl100k_base",
        pat_str=r"[\s\S]",
        mergeable_ranks={bytes([byte]): byte for byte in range(256)},
        special_tokens={"<|endoftext|>": END},
    )


def tokens(text: str) -> list[int]:
    """The tokens of a text in it."""
    return list(text.encode())
