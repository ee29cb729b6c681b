"""One way to run: workers and signals, fleet, optimizers and schedules. Pretraining and fine-tuning are built on it."""
