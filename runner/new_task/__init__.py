"""Write the three rooms of a task of one's own: `csv_file`, `script` or `blank`, then `layout`."""
