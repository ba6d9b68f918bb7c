"""Mirror projects: audited tasks copied where nobody can look anything up, and their answers."""
