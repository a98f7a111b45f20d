"""The bundle: where its configurations lie, and what the settings of a run may be."""
