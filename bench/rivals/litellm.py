"""LiteLLM's proxy as a contestant: how it is started, lean, and whether it can be.

It lives in an environment of its own, since it pins what Pannier uses too.  What it
documents as making it faster is set; nothing that it needs for a right answer is off.
"""

import json
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".venv-bench"
PROGRAM = VENV / "bin" / "litellm"

ENVIRON = {
    "LITELLM_MODE": "PRODUCTION",  # no .env of somebody's
    "LITELLM_LOG": "ERROR",  # with it goes the line for each request
    # Its own copies of what it would otherwise fetch when it starts.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
    # It would open at most 500 connections to one Ollama, and queue the other streams.
    "AIOHTTP_CONNECTOR_LIMIT": "4000",
    "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "4000",
    # A model that says the same word a hundred times is cut off as broken.
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",
}


def available() -> str:
    """Why it cannot take part; empty when it can."""
    if PROGRAM.exists():
        return ""
    return f"LiteLLM is not installed in {VENV.name}"


def version() -> str:
    """Which one it is; empty without it."""
    found = VENV.glob("lib/*/site-packages/litellm-*.dist-info")
    return next((one.stem.partition("-")[2] for one in found), "")


def command(
    port: int, upstream_url: str, directory: Path
) -> tuple[list[str], dict[str, str]]:
    """The command that serves on a port of 127.0.0.1, and variables it needs set.

    Writes its configuration into ``directory``.  Models named ``embed…`` are asked
    for embeddings; all others chat.
    """
    path = directory / "litellm.yaml"
    path.write_text(json.dumps(configuration(upstream_url), indent=2))  # is YAML too
    argv = [str(PROGRAM), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--num_workers", "1", "--keepalive_timeout", "30", "--config", str(path)]
    return argv, dict(ENVIRON)


def configuration(upstream_url: str) -> dict[str, object]:
    """What it reads: any model of that Ollama by its own name, and nothing besides."""

    def served(pattern: str, model: str) -> dict[str, object]:
        params = {"model": model, "api_base": upstream_url}
        return {"model_name": pattern, "litellm_params": params}

    return {
        "model_list": [
            served("embed*", "ollama/embed*"),
            served("*", "ollama_chat/*"),
        ],
        "litellm_settings": {
            "drop_params": True,
            "callbacks": [],
            "success_callback": [],
            "failure_callback": [],
            "disable_hf_tokenizer_download": True,
        },
        # Open, as Pannier is while it has no keys; it listens on 127.0.0.1 only.
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
        "router_settings": {"num_retries": 0},
    }
