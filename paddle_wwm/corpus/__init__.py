"""Raw text to documents, sentences and words."""
