"""What all reports share: words, findings, and clauses that name the records that back them."""
