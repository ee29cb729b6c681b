"""Turn raw text into documents, sentences and words."""
