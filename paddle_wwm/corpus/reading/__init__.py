"""Read one format each: a source becomes raw documents. `corpus/readers.py` chooses the file.

options     what a document is, and what happens on bad input
intake      what all formats share: errors, counts, lines, long records
text        lines of text; doc_tags: text with <doc> tags
json_lines, json_array, table_rows (Parquet, Arrow), csv_rows      records with fields; fields: their text
mediawiki   pages of a dump; wiki_pages: cut them out, wiki_markup, wiki_templates, wiki_variants: to plain text
"""
