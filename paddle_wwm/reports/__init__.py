"""Runs to tables, pages and plots: what `paddle-wwm report` writes. `report.make_report`, `report.write_report`."""
