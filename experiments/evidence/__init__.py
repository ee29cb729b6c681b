"""The experiment behind docs/evidence.md, from a raw corpus to its tables: does whole word masking help?

Run it from the checkout with `python -m experiments.evidence`.

    corpus without evaluation text ─► shards ─► two arms x seeds, all else equal ─► masked accuracy under both maskings
    (corpus.py)                                 (pretrain.py)  │                    (masked.py)            │
                                                               ▼                                           ▼
                                   from-scratch floor ─► fine-tuning, several seeds each ─► docs/evidence.md
                                                         (finetune.py)                      (page.py)

Every stage checks the output folder and does what is missing. A stage with nothing missing is skipped. The unit of the
statistics is the pretraining seed. Both arms of a seed start from the same weights and read the same examples in the
same order, so they are compared in pairs.

This folder uses the package like a user: it imports modules by absolute names and starts runs as commands in separate
processes (processes.py).
"""
