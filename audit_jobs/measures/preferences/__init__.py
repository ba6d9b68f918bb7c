"""What can be said of judges of pairs of answers: agreement, bias, order. Pure, in columns."""
