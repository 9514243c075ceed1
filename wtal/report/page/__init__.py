"""The page: one HTML file that shows tables, curves, errors and a timeline of every video, without any network."""
