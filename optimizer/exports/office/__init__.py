"""What offices read: briefs as PDF, slides and documents, and workbooks."""
