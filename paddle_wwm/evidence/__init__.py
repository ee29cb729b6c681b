"""Do whole words help? The experiment behind docs/evidence.md, from a raw corpus to its tables; scripts/evidence.py
runs it.

    corpus without evaluation text ─► shards ─► two arms x seeds, all else equal ─► masked accuracy under both maskings
    ─┐
    (corpus.py)                                 (pretrain.py)            │          (masked.py)
    ├─► docs/evidence.md
                                                from-scratch floor ──────┴► fine-tuning, several seeds each
                                                ─────────────┘   (report.py)
                                                                            (finetune.py)

Every stage looks at what is in the output folder, does what is missing, and is skipped when nothing is. The unit of
the statistics is the
pretraining seed: both arms of a seed start from the same weights and read the same examples in the same order, so they
are compared in pairs.
"""
