"""How time and memory grow with the rows: each work at each size, in a process of its own."""
