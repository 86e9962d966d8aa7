"""Networks: weights only, no state that belongs to one call."""
