"""The templates every tenant begins with: `name.html`, `name.txt`, and `name.json` for all else."""
