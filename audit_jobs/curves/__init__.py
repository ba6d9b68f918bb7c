"""The curves of the serving version on its control answers: risk by coverage, and reliability."""
