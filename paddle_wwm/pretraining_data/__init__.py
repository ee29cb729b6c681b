"""From shards to pretraining batches: examples, whole word masks, order, collation. Never imports paddle."""
