"""Prepare shards from a corpus. The work can be resumed and shared by any number of workers.

    plan ──────► units, read and hashed ──► duplicates ──► words and pieces ──► shards
    (work_plan)  (read_sources: pass 1)     (duplicates)   (tokenize_units: 2)  (merge_units: 3)
                 └──── by processes or Dask workers (engines, …_engine) ─────┘

`prepare.prepare_corpus` runs all steps.
"""
