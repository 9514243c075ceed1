"""The page: one self-contained HTML file with tables, curves, errors and a timeline of every video."""
