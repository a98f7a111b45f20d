"""Published data: which labs there are, where their files come from, and how they become datasets."""
