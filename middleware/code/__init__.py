"""Code completion: the text at a place in a file, for editors.

A request in whatever form is read as a ``Hole``; the model's family says how the hole
is put to the model (specification: code completion).
"""
