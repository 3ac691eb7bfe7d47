"""Charts as PNG and SVG: the data they show, the sheet they stand on, colours, fonts and words."""
