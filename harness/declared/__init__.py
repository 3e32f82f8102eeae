"""Tasks that are declared: a folder with a `task.yaml` and no code is a whole task.

`schema` reads the declaration, a source reads the data, `parts` divides the rows, and `metrics`
measures with scikit-learn.

| module | does |
|---|---|
| `schema` | `task.yaml` as a typed value, or an error with line and key |
| `cells`, `numbers`, `columns` | a CSV or Parquet file as text, and what its columns are |
| `targets` | which of four kinds the target is, and its classes |
| `tables`, `arrays` | a source: what training gets, and what is asked |
| `parts` | which rows train, decide and are locked |
| `metrics` | metrics by name, and how an answer is read |
| `understanding` | what is shown to a person |
| `task` | all of them together |
"""
