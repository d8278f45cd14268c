"""The soak: mixed requests for half an hour, and whether anything grows or hangs."""
