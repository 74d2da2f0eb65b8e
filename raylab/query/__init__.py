"""A query: a person's function on the rows of a notebook, on the node where these lie, in a process of its own."""
