"""Benchmarks of Pannier; ``python -m bench`` runs them."""
