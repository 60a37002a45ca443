"""Labeled data sets in the formats of other tools: readers and writers around one neutral record.

No database and no HTTP. A reader makes a `record.DataSet` of the files of an archive; a writer
makes files of one. `formats` has the table of both.
"""
