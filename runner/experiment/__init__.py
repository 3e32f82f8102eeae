"""An experiment as a value: what its entries come to, and what has to be done next; pure."""
