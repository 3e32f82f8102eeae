"""What models cost: their prices, what was used, and what may still be spent."""
