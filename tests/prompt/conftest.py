"""Being here puts this folder on the import path, so that its tests can `import experiments`."""
