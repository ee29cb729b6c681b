"""Runs to tables, pages and plots: what `scripts/report.py` writes. `report.make_report`, `report.write_report`."""
