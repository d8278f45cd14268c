"""Model names: ``[host/][namespace/]model[:tag]`` (``types/model/name.go``)."""


def namespace(name: str) -> str:
    """The namespace of a model name, which is OpenAI's ``owned_by``."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 and parts[-2] else "library"
