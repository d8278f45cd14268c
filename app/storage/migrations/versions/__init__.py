"""One module for each version of the tables, in order; none is changed once released."""
