"""How good an answer to a prompt is, learned from which of several answers people like better."""
