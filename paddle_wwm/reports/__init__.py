"""Reports of fine-tuning runs: tables, pages and plots. See `report.make_report` and `report.write_report`."""
