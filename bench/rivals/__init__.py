"""What Pannier is measured beside: other ways to put a door in front of Ollama."""
