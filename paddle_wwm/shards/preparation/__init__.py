"""From a corpus to shards, resumably and by any number of workers.

    plan ──► units, read and hashed ──► duplicates ──► parts: words and pieces ──► merged into shards
    (plan)   (units: pass 1)            (duplicates)   (parts: pass 2)             (merge: pass 3)
             └────────── by processes or Dask workers (engines, dask_engine) ────┘

`prepare.prepare_corpus` does it all.
"""
