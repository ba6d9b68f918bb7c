"""The peer of 2022, label-studio-ml 1.0.9: a server of it, and what it does beside Labelgate."""
