"""What people read, in English and Chinese: the language in force, tables of words, and columns of wide characters."""
