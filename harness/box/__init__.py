"""What runs beside an agent in its box, with the standard library alone."""
