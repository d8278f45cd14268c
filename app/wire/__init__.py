"""Shapes as they travel: one module per dialect, data only.

This room knows msgspec and the field names of the protocols, and nothing else of
Pannier.  Use a shape with its dialect in front: ``ollama.ChatRequest``.
"""
